// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <penstock/custom_operator.h>

#include <cstring>
#include <memory>
#include <optional>

#include "arrays.h"
#include "bindings.h"
#include "errors.h"
#include "values.h"

namespace penstock::python {
namespace {

nb::dict to_dictionary(const OperatorAttributes& attributes) {
  nb::dict dictionary;
  for (const auto& [name, value] : attributes.all()) {
    const nb::str key(name.data(), name.size());
    std::visit([&](const auto& held) { dictionary[key] = nb::cast(held); }, value);
  }
  return dictionary;
}

// Calls Python with the interpreter's lock; what it raises becomes an error with its text.
template <typename Call>
auto with_python(Call&& call) -> decltype(call()) {
  nb::gil_scoped_acquire locked;
  try {
    return call();
  } catch (const nb::python_error& e) {
    const std::string text = nb::cast<std::string>(nb::str(e.value()));
    return Status(StatusCode::kInvalidArgument,
                  nb::cast<std::string>(e.type().attr("__name__")) + ": " + text);
  } catch (const std::exception& e) {
    return Status(StatusCode::kInvalidArgument, e.what());
  }
}

DataType dtype_of(nb::handle object) {
  const nb::object dtype = nb::module_::import_("numpy").attr("dtype")(object);
  std::string name =
      nb::cast<std::string>(nb::module_::import_("penstock._dtypes").attr("penstock_name")(dtype));
  if (name.empty()) name = nb::cast<std::string>(nb::str(dtype));
  const std::optional<DataType> type = parse_data_type(name);
  if (!type) raise_type_error("infer: '" + name + "' is no element type");
  return *type;
}

// (dtype, dims): extents are integers, names or expressions; None is one that the run tells.
nb::object describe(const OperandType& type) {
  if (!type.present) return nb::none();
  nb::list dims;
  for (const std::string& dim : type.dims) {
    const bool is_number = dim.find_first_not_of("0123456789") == std::string::npos;
    if (is_number) {
      dims.append(nb::int_(std::stoll(dim)));
    } else {
      dims.append(nb::str(dim.data(), dim.size()));
    }
  }
  return nb::make_tuple(numpy_dtype(type.dtype), nb::tuple(dims));
}

OperandType described(nb::handle object) {
  if (!nb::isinstance<nb::tuple>(object) || nb::len(object) != 2) {
    raise_type_error("infer: expected a list of (dtype, dims), got " + kind_of(object) +
                     " among them");
  }
  OperandType type;
  type.dtype = dtype_of(object[0]);
  for (nb::handle dim : nb::iter(object[1])) {
    type.dims.push_back(dim.is_none() ? std::string() : nb::cast<std::string>(nb::str(dim)));
  }
  return type;
}

// What Python gave for the outputs: one array, or several in a tuple or list.
std::vector<nb::object> as_list(nb::object result) {
  if (!nb::isinstance<nb::tuple>(result) && !nb::isinstance<nb::list>(result)) return {result};
  std::vector<nb::object> list;
  for (nb::handle item : nb::iter(result)) list.push_back(nb::borrow(item));
  return list;
}

// A function that may be let go of on any thread.
class Function {
 public:
  explicit Function(nb::object function) : function_(std::move(function)) {}
  ~Function() {
    nb::gil_scoped_acquire locked;
    function_.reset();
  }
  Function(const Function&) = delete;
  Function& operator=(const Function&) = delete;
  const nb::object& get() const { return function_; }

 private:
  nb::object function_;
};

Status run_python(const nb::object& function, OperatorRun& run) {
  nb::list arrays;
  for (size_t i = 0; i < run.input_count(); ++i) {
    const OperandView& input = run.input(i);
    const bool present = input.dtype != DataType::kUndefined;
    arrays.append(present ? to_python(Tensor::copy_of(input.dtype, input.shape, input.data))
                          : nb::none());
  }
  const std::vector<nb::object> results =
      as_list(function(to_dictionary(run.attributes()), *arrays));
  for (size_t i = 0; i < run.output_count(); ++i) {
    if (!run.is_wanted(i)) continue;
    if (i >= results.size()) {
      raise("InvalidArgumentError", "run gave " + std::to_string(results.size()) +
                                        " outputs, and output " + std::to_string(i) + " is wanted");
    }
    TensorInfo info;
    info.name = std::to_string(i);
    info.dtype = run.output_dtype(i);
    info.dims = {"..."};
    const nb::object array = nb::module_::import_("numpy").attr("ascontiguousarray")(results[i]);
    // ascontiguousarray makes a scalar a vector of one.
    const Shape shape =
        to_shape(nb::module_::import_("numpy").attr("shape")(results[i]), info.name);
    const ArrayView view = view_of(array, "output of run", info);
    PENSTOCK_ASSIGN_OR_RETURN(void* target, run.output(i, shape));
    if (view.bytes > 0) std::memcpy(target, view.data, view.bytes);
  }
  return Status::ok();
}

void register_python_operator(const std::string& domain, const std::string& name, nb::object run,
                              nb::object infer, int min_inputs, int max_inputs, int outputs,
                              bool is_stateful) {
  CustomOperator op;
  op.domain = domain;
  op.name = name;
  op.min_inputs = min_inputs;
  op.max_inputs = max_inputs;
  op.outputs = outputs;
  op.is_stateful = is_stateful;
  using Types = Result<std::vector<OperandType>>;
  const auto run_function = std::make_shared<Function>(std::move(run));
  const auto infer_function = std::make_shared<Function>(std::move(infer));
  op.infer = [infer_function, outputs](const OperatorAttributes& attributes,
                                       const std::vector<OperandType>& inputs) -> Types {
    return with_python([&]() -> Types {
      const nb::object& infer = infer_function->get();
      if (infer.is_none()) {
        return std::vector<OperandType>(static_cast<size_t>(outputs), inputs.at(0));
      }
      nb::list types;
      for (const OperandType& type : inputs) types.append(describe(type));
      std::vector<OperandType> result;
      for (nb::handle item : nb::iter(infer(to_dictionary(attributes), types))) {
        result.push_back(described(item));
      }
      return result;
    });
  };
  op.run = [run_function](OperatorRun& operator_run) -> Status {
    return with_python([&] { return run_python(run_function->get(), operator_run); });
  };
  check(register_operator(std::move(op)));
}

}  // namespace

void bind_custom(nb::module_& module) {
  module.def("_register_operator", &register_python_operator, nb::arg("domain"), nb::arg("name"),
             nb::arg("run"), nb::arg("infer").none(), nb::arg("min_inputs"), nb::arg("max_inputs"),
             nb::arg("outputs"), nb::arg("is_stateful"));
}

}  // namespace penstock::python
