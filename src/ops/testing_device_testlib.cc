// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/testing_device.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>

#include "ops/find_backend.h"

namespace penstock::ops::test {
namespace {

using backends::Backend;
using backends::NodeFacts;
using backends::Operand;
using backends::TensorView;

// Device memory with a margin behind it that must stay as it was.
class Guarded {
 public:
  static constexpr size_t kMargin = 256;
  static constexpr std::byte kPoison{0xA5};

  Guarded(Backend& backend, size_t bytes)
      : backend_(backend), bytes_(bytes), data_(backend.allocate(bytes + kMargin)) {}
  Guarded(Guarded&& other) noexcept
      : backend_(other.backend_), bytes_(other.bytes_), data_(std::exchange(other.data_, nullptr)) {}
  Guarded& operator=(Guarded&&) = delete;
  ~Guarded() {
    if (data_ != nullptr) backend_.deallocate(data_, bytes_ + kMargin);
  }

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  Status fill(const void* from, backends::Stream& stream) {
    std::vector<std::byte> content(bytes_ + kMargin, kPoison);
    if (from != nullptr) std::copy_n(static_cast<const std::byte*>(from), bytes_, content.data());
    PENSTOCK_RETURN_IF_ERROR(backend_.copy_in(data_, content.data(), content.size(), stream));
    return stream.synchronize();
  }
  Result<std::vector<std::byte>> read(backends::Stream& stream) const {
    std::vector<std::byte> content(bytes_ + kMargin);
    PENSTOCK_RETURN_IF_ERROR(backend_.copy_out(content.data(), data_, content.size(), stream));
    PENSTOCK_RETURN_IF_ERROR(stream.synchronize());
    const auto margin = content.begin() + static_cast<int64_t>(bytes_);
    if (std::any_of(margin, content.end(), [](std::byte b) { return b != kPoison; })) {
      return Status(StatusCode::kInternal, "a kernel wrote behind its output");
    }
    content.resize(bytes_);
    return content;
  }

 private:
  Backend& backend_;
  size_t bytes_;
  void* data_;
};

class DeviceRun : public backends::KernelRun {
 public:
  DeviceRun(Backend& backend, const NodeFacts& node, backends::Stream& stream)
      : backend_(backend), node_(node), stream_(stream), outputs_(node.outputs.size()) {}

  Status place(const std::vector<HostTensor>& inputs, size_t workspace_bytes) {
    for (size_t i = 0; i < node_.inputs.size(); ++i) {
      const Operand& operand = node_.inputs[i];
      views_.push_back({operand.dtype, operand.layout, &operand.shape, nullptr});
      if (!inputs[i].storage) continue;
      memory_.emplace_back(backend_, inputs[i].storage->bytes);
      if (memory_.back().data() == nullptr) return {StatusCode::kOutOfMemory, "no device memory"};
      PENSTOCK_RETURN_IF_ERROR(memory_.back().fill(inputs[i].data(), stream_));
      views_.back().data = memory_.back().data();
    }
    memory_.emplace_back(backend_, std::max<size_t>(workspace_bytes, 64));
    workspace_ = memory_.back().data();
    return Status::ok();
  }

  const TensorView& input(size_t i) const override { return views_[i]; }
  bool has_input(size_t i) const override { return node_.has_input(i); }
  bool has_output(size_t i) const override { return node_.has_output(i); }
  size_t input_count() const override { return node_.inputs.size(); }
  size_t output_count() const override { return node_.outputs.size(); }
  Result<TensorView> output(size_t i, const Shape& shape) override {
    const Operand& operand = node_.outputs[i];
    if (shape != operand.shape) {
      return Status(StatusCode::kInternal, "an output of shape " + to_string(shape) +
                                               " where it must be " + to_string(operand.shape));
    }
    if (outputs_[i] == nullptr) {
      outputs_[i] = std::make_unique<Guarded>(
          backend_, ir::storage_bytes(operand.dtype, shape, operand.layout));
      PENSTOCK_RETURN_IF_ERROR(outputs_[i]->fill(nullptr, stream_));
    }
    return TensorView{operand.dtype, operand.layout, &operand.shape, outputs_[i]->data()};
  }
  void* workspace() const override { return workspace_; }
  backends::KernelState* state() const override { return nullptr; }
  backends::Stream& stream() const override { return stream_; }
  ObjectPool& objects() override { return objects_; }
  Status run_region(size_t, const std::vector<TensorView>&, std::vector<TensorView>&) override {
    return {StatusCode::kUnsupported, "no regions on a device"};
  }

  const Guarded* result(size_t i) const { return outputs_[i].get(); }

 private:
  Backend& backend_;
  const NodeFacts& node_;
  backends::Stream& stream_;
  std::vector<TensorView> views_;
  std::vector<Guarded> memory_;
  std::vector<std::unique_ptr<Guarded>> outputs_;
  void* workspace_ = nullptr;
  ObjectPool objects_;
};

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
  if (c.op == "Conv" && !c.inputs[1].shape.empty()) {
    return element_count(c.inputs[1].shape) / std::max<int64_t>(1, c.inputs[1].shape[0]);
  }
  if (c.op == "MatMul" && !c.inputs[0].shape.empty()) {
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
          what += input.storage ? ", " + std::string(to_string(input.dtype)) + to_string(input.shape)
                                : ", none";
        }
        SCOPED_TRACE(what);
        const auto outputs = run_tactic(*tactic, c, form, expected, &device);
        if (!outputs.is_ok() && outputs.status().code() == StatusCode::kUnsupported) continue;
        ASSERT_TRUE(outputs.is_ok()) << outputs.status().message();
        for (size_t i = 0; i < expected.size(); ++i) {
          if (c.output_types[i] == DataType::kUndefined) continue;
          ASSERT_NE((*outputs)[i].storage, nullptr) << "output " << i << " was not written";
          EXPECT_TRUE(matches((*outputs)[i], expected[i], tolerance(expected[i].dtype, terms)))
              << "output " << i;
        }
      }
    }
  }
}

}  // namespace

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

Result<std::vector<HostTensor>> run_on_device(Backend& backend, const backends::Kernel& kernel,
                                              const NodeFacts& node,
                                              const std::vector<HostTensor>& inputs,
                                              const backends::Form& form) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::unique_ptr<backends::Stream> stream,
                            backend.create_stream(1));
  DeviceRun run(backend, node, *stream);
  PENSTOCK_RETURN_IF_ERROR(run.place(inputs, kernel.workspace_bytes()));
  PENSTOCK_RETURN_IF_ERROR(kernel.run(run));
  PENSTOCK_RETURN_IF_ERROR(stream->synchronize());
  std::vector<HostTensor> outputs(node.outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (run.result(i) == nullptr) continue;
    PENSTOCK_ASSIGN_OR_RETURN(const std::vector<std::byte> bytes, run.result(i)->read(*stream));
    const Operand& operand = node.outputs[i];
    outputs[i] = {operand.dtype, operand.shape,
                  ir::make_constant(DataType::kUInt8, {static_cast<int64_t>(bytes.size())},
                                    bytes.data())};
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
