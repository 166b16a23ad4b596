// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "runtime/device_code.h"

#include <algorithm>
#include <optional>

#include "runtime/program_state.h"

namespace penstock::runtime {
namespace {

using plan::DimTable;

enum class Point { kMin, kOpt, kMax };

template <typename Range>
const std::vector<int64_t>& at(const Range& range, Point point) {
  return point == Point::kMin ? range.min : point == Point::kOpt ? range.opt : range.max;
}

// The symbols of a program at one point of its profile; none where that has no limit there.
std::optional<std::vector<int64_t>> symbols_at(const ProgramState& program, Point point) {
  std::vector<int64_t> symbols(program.dims().symbol_count(), DimTable::kUnknown);
  bool has_limits = true;
  const auto tell = [&](int symbol, int64_t value) {
    if (symbol < 0) return;
    has_limits = has_limits && value >= 0 && value != ValueRange::kNoLimit;
    symbols[symbol] = value;
  };
  const OptimizationProfile& profile = program.program().profile;
  for (size_t i = 0; i < program.inputs().size(); ++i) {
    const std::string& name = program.inputs()[i].name;
    if (const auto range = profile.inputs.find(name); range != profile.inputs.end()) {
      const std::vector<int>& dims = program.slot_dims()[program.main().inputs[i]];
      const Shape& shape = at(range->second, point);
      for (size_t d = 0; d < std::min(dims.size(), shape.size()); ++d) {
        tell(program.dims().bare_symbol(dims[d]), shape[d]);
      }
    }
    if (const auto range = profile.values.find(name); range != profile.values.end()) {
      const std::vector<int>& values = program.value_symbols()[i];
      const std::vector<int64_t>& numbers = at(range->second, point);
      for (size_t k = 0; k < std::min(values.size(), numbers.size()); ++k) {
        tell(values[k], numbers[k]);
      }
    }
  }
  if (!has_limits) return std::nullopt;
  return symbols;
}

}  // namespace

Result<std::vector<backends::CodeItem>> make_device_code(plan::PlanFile draft,
                                                         std::shared_ptr<backends::Backend> backend,
                                                         std::shared_ptr<backends::Backend> host,
                                                         std::vector<backends::CodeView> known) {
  const auto file = std::make_shared<const plan::PlanFile>(std::move(draft));
  const backends::CurrentDevice current(*backend);
  const auto code = std::make_shared<backends::DeviceCode>(std::move(known));
  code->start_recording();
  for (const plan::Program& program : file->contents().programs) {
    ProgramState state(file, program, backend, host, code);
    PENSTOCK_RETURN_IF_ERROR(state.resolve());
    for (const Point point : {Point::kMin, Point::kOpt, Point::kMax}) {
      // The ends of a profile need not be shapes that the model can have: what cannot be bound
      // there is told by a run.
      const auto symbols = symbols_at(state, point);
      if (symbols) (void)state.bind(*symbols, 1);
    }
  }
  return code->take_recorded();
}

}  // namespace penstock::runtime
