// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/testing_device.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>

#include "ops/device_run.h"
#include "ops/find_backend.h"

namespace penstock::ops::test {
namespace {

using backends::Backend;
using backends::NodeFacts;
using backends::Operand;

// How many cases each tactic ran and refused, told when the tests end.
class Coverage : public ::testing::Environment {
 public:
  static Coverage& get() {
    static auto* the = [] {
      auto* coverage = new Coverage;
      ::testing::AddGlobalTestEnvironment(coverage);
      return coverage;
    }();
    return *the;
  }
  void TearDown() override {
    for (const auto& [name, counts] : counts_) {
      std::cout << "device: " << name << " ran " << counts.first << " cases, refused "
                << counts.second << "\n";
    }
  }
  void add(const std::string& name, bool ran) {
    auto& counts = counts_[name];
    ++(ran ? counts.first : counts.second);
  }

 private:
  std::map<std::string, std::pair<int, int>> counts_;
};

// Products or addends that one element of the result sums, at most.
int64_t terms_of(const OpCase& c, const std::vector<HostTensor>& expected) {
  int64_t largest = 1;
  for (const HostTensor& input : c.inputs) {
    if (input.storage) largest = std::max(largest, element_count(input.shape));
  }
  if ((c.op == "Conv" || c.op == "QuantizedConv") && !c.inputs[1].shape.empty()) {
    return element_count(c.inputs[1].shape) / std::max<int64_t>(1, c.inputs[1].shape[0]);
  }
  if ((c.op == "MatMul" || c.op == "QuantizedMatMul") && !c.inputs[0].shape.empty()) {
    const Shape& a = c.inputs[0].shape;
    const bool transposed = c.attributes.get_int("trans_a") != 0 && a.size() > 1;
    return transposed ? a[a.size() - 2] : a.back();
  }
  if (c.op == "Attention") return 2 * c.inputs[0].shape.back();
  int64_t outputs = 1;
  for (const HostTensor& output : expected) {
    if (output.storage) outputs = std::max(outputs, element_count(output.shape));
  }
  return std::max<int64_t>(1, largest / outputs);
}

HostTensor to_half(const HostTensor& x) {
  return x.storage && x.dtype == DataType::kFloat32
             ? tensor(DataType::kFloat16, x.shape, values_of(x))
             : x;
}

bool has_float32(const OpCase& c) {
  return std::any_of(c.inputs.begin(), c.inputs.end(), [](const HostTensor& x) {
    return x.storage && x.dtype == DataType::kFloat32;
  });
}

void expect_matches(Backend& device, const OpCase& c, const std::vector<HostTensor>& expected) {
  const int64_t terms = terms_of(c, expected);
  const NodeFacts node = node_facts(c, expected);
  for (const backends::TacticSource* source : device.tactic_sources()) {
    for (const backends::Tactic* tactic : source->tactics_for(c.op)) {
      const backends::Offer offer = tactic->offer(node);
      Coverage::get().add(std::string(tactic->name()), !offer.forms.empty());
      for (const backends::Form& form : offer.forms) {
        std::string what = std::string(tactic->name()) + " " + c.op + to_string(c.attributes) +
                           " as " + form.config;
        for (ir::Layout layout : form.inputs) what += " " + std::string(ir::to_string(layout));
        for (const HostTensor& input : c.inputs) {
          what += input.storage
                      ? ", " + std::string(to_string(input.dtype)) + to_string(input.shape)
                      : ", none";
        }
        SCOPED_TRACE(what);
        const auto outputs = run_tactic(*tactic, c, form, expected, &device);
        if (!outputs.is_ok() && outputs.status().code() == StatusCode::kUnsupported) continue;
        ASSERT_TRUE(outputs.is_ok()) << outputs.status().message();
        for (size_t i = 0; i < expected.size(); ++i) {
          if (c.output_types[i] == DataType::kUndefined) continue;
          ASSERT_NE((*outputs)[i].storage, nullptr) << "output " << i << " was not written";
          EXPECT_TRUE(matches((*outputs)[i], expected[i], tolerance(c, expected[i].dtype, terms)))
              << "output " << i;
        }
      }
    }
  }
}

// The GPU, or null where there is none.
Backend* test_device() {
  static const std::shared_ptr<Backend> device = [] {
    const auto found = find_backend("cuda:0");
    if (!found.is_ok() && std::getenv("PENSTOCK_TEST_DEVICE") != nullptr) {
      std::cout << "device: none: " << found.status().message() << "\n";
    }
    return found.is_ok() ? *found : nullptr;
  }();
  return device.get();
}

}  // namespace

Result<std::vector<HostTensor>> run_on_device(Backend& backend, const backends::Kernel& kernel,
                                              const NodeFacts& node,
                                              const std::vector<HostTensor>& inputs,
                                              const backends::Form& form) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::unique_ptr<backends::Stream> stream,
                            backend.create_stream(1));
  std::vector<const void*> data;
  for (const HostTensor& input : inputs) data.push_back(input.storage ? input.data() : nullptr);
  PENSTOCK_ASSIGN_OR_RETURN(const std::unique_ptr<DeviceRun> run,
                            DeviceRun::create(backend, node, data, *stream));
  PENSTOCK_RETURN_IF_ERROR(run->execute(kernel));
  std::vector<HostTensor> outputs(node.outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Operand& operand = node.outputs[i];
    if (!operand.present) continue;
    PENSTOCK_ASSIGN_OR_RETURN(const std::vector<std::byte> bytes, run->read(i));
    const bool is_empty = element_count(operand.shape) == 0;
    if (bytes.empty() && !is_empty) continue;
    outputs[i] = {
        operand.dtype, operand.shape,
        ir::make_constant(DataType::kUInt8, {static_cast<int64_t>(bytes.size())}, bytes.data())};
    outputs[i] = from_layout(outputs[i], form.outputs[i]);
  }
  return outputs;
}

void expect_device_matches(const OpCase& c, const std::vector<HostTensor>& expected) {
  Backend* device = test_device();
  if (device == nullptr) return;
  const auto is_plain_tensor = [](const HostTensor& x) { return !x.storage || is_plain(x.dtype); };
  if (!std::all_of(c.inputs.begin(), c.inputs.end(), is_plain_tensor)) return;
  expect_matches(*device, c, expected);
  if (!has_float32(c)) return;
  OpCase half = c;
  for (HostTensor& input : half.inputs) input = to_half(input);
  for (DataType& type : half.output_types) {
    if (type == DataType::kFloat32) type = DataType::kFloat16;
  }
  std::vector<const HostTensor*> inputs;
  for (const HostTensor& input : half.inputs) inputs.push_back(input.storage ? &input : nullptr);
  const auto half_expected = run_reference(half.op, half.attributes, inputs, half.output_types);
  if (half_expected.is_ok()) expect_matches(*device, half, *half_expected);
}

}  // namespace penstock::ops::test
