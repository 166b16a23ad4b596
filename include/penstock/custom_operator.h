// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>
#include <penstock/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace penstock {

// The attributes of one ONNX node, by name.
class OperatorAttributes {
 public:
  using Value = std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<float>,
                             std::vector<std::string>>;

  void set(std::string name, Value value) { map_[std::move(name)] = std::move(value); }
  // The attribute of that type, or `otherwise` where the node has none.
  template <typename T>
  T get(std::string_view name, T otherwise = T()) const {
    const auto it = map_.find(name);
    const T* value = it == map_.end() ? nullptr : std::get_if<T>(&it->second);
    return value == nullptr ? std::move(otherwise) : *value;
  }
  const std::map<std::string, Value, std::less<>>& all() const { return map_; }

 private:
  std::map<std::string, Value, std::less<>> map_;
};

// Type and shape of an operand while a model is built. Extents are numbers ("3"), names ("batch")
// or expressions of them ("batch*12"); in an output, "" is an extent that only the run tells.
struct OperandType {
  DataType dtype = DataType::kUndefined;
  std::vector<std::string> dims;
  bool present = true;  // false: an optional input that the node leaves out
};

// One operand of a run, row-major.
struct OperandView {
  DataType dtype = DataType::kUndefined;
  Shape shape;
  const void* data = nullptr;  // null: an optional input that the node leaves out

  template <typename T>
  const T* as() const {
    return static_cast<const T*>(data);
  }
};

// One run of a custom operator. Valid during the call only.
class OperatorRun {
 public:
  virtual ~OperatorRun() = default;
  virtual const OperatorAttributes& attributes() const = 0;
  virtual size_t input_count() const = 0;
  virtual const OperandView& input(size_t i) const = 0;
  virtual size_t output_count() const = 0;
  virtual DataType output_dtype(size_t i) const = 0;  // as `infer` told
  // Memory for output i, to be filled row-major; called once for each output that is wanted. An
  // error where the shape is not the one that `infer` promised.
  virtual Result<void*> output(size_t i, const Shape& shape) = 0;
  virtual bool is_wanted(size_t i) const = 0;  // false: nothing reads output i
  // Calls body(begin, end) for pieces of [0, count), none smaller than `grain`, on the threads of
  // the stream that runs.
  virtual void parallel_for(int64_t count, int64_t grain,
                            const std::function<void(int64_t, int64_t)>& body) const = 0;
};

// An operator that the application brings along. Its functions are called from many threads at
// once; what they throw becomes an error of the build or the run.
struct CustomOperator {
  std::string domain;  // as in the model: "com.example"; ONNX's own is refused
  std::string name;
  int min_inputs = 1;
  int max_inputs = 1;  // -1: any number
  int outputs = 1;     // the most outputs
  // Types and shapes of the outputs, the first `outputs` of them.
  std::function<Result<std::vector<OperandType>>(const OperatorAttributes& attributes,
                                                 const std::vector<OperandType>& inputs)>
      infer;
  std::function<Status(OperatorRun& run)> run;
  // True where equal inputs may give other results: it is then never run while building.
  bool is_stateful = false;
};

// Makes the operator known to this process: before a model that uses it is built, and before a plan
// that uses it is loaded. A second registration under the same name replaces the first for engines
// that are loaded afterwards. Errors: kInvalidArgument for a missing function, name or domain.
Status register_operator(CustomOperator custom_operator);

}  // namespace penstock
