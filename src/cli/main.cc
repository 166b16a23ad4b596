// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"

int main(int argc, char** argv) {
  CLI::App app{"Penstock: compiles ONNX models for this machine and runs them"};
  app.set_version_flag("--version", "penstock " PENSTOCK_VERSION);
  app.require_subcommand(1);
  app.footer(
      "'penstock COMMAND --help' tells a command's options. Exit codes: 0 done, 1 failed, 2 wrong "
      "use.");
  int exit_code = 0;
  penstock::cli::add_build_command(app, exit_code);
  penstock::cli::add_run_command(app, exit_code);
  penstock::cli::add_inspect_command(app, exit_code);
  penstock::cli::add_bench_command(app, exit_code);
  penstock::cli::add_accuracy_command(app, exit_code);
  penstock::cli::add_compare_command(app, exit_code);
  penstock::cli::add_load_command(app, exit_code);
  penstock::cli::add_operators_command(app, exit_code);
  penstock::cli::add_serve_command(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return exit_code;
}
