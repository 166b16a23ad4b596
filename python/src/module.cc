// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "bindings.h"

NB_MODULE(_penstock, module) {
  module.doc() = "The compiled part of the package penstock.";
  module.attr("__version__") = PENSTOCK_VERSION;
#ifdef NDEBUG
  nanobind::set_leak_warnings(false);
#endif
  penstock::python::bind_calibration(module);
  penstock::python::bind_build(module);
  penstock::python::bind_device(module);
  penstock::python::bind_engine(module);
  penstock::python::bind_context(module);
  penstock::python::bind_diagnostics(module);
  penstock::python::bind_accuracy(module);
  penstock::python::bind_custom(module);
  penstock::python::bind_contracts(module);
}
