// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <random>

#include "backends/cpu/cpu_stream.h"
#include "base/small_types.h"
#include "ops/layout_offset.h"
#include "ops/testing.h"
#include "ops/testing_device.h"

namespace penstock::ops::test {
namespace {

// fn(type tag) for a type that the tests name; anything else is a mistake in the test.
template <typename Fn>
void with_type(DataType type, Fn&& fn) {
  const Status status = dispatch(type, [&](auto tag) {
    fn(tag);
    return Status::ok();
  });
  EXPECT_TRUE(status.is_ok()) << status.message();
}

template <typename T>
T from_double(double value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value != 0;
  } else if constexpr (std::is_arithmetic_v<T>) {
    return static_cast<T>(value);
  } else {
    return T(static_cast<float>(value));
  }
}

HostTensor convert(const HostTensor& tensor, ir::Layout from, ir::Layout to) {
  HostTensor result{tensor.dtype, tensor.shape, nullptr};
  const auto bytes = static_cast<int64_t>(ir::storage_bytes(tensor.dtype, tensor.shape, to));
  result.storage = ir::make_constant(DataType::kUInt8, {bytes}, nullptr);
  const auto size = static_cast<int64_t>(size_of(tensor.dtype));
  for_each_index(tensor.shape, [&](const std::vector<int64_t>& index) {
    const auto* x = static_cast<const std::byte*>(tensor.data());
    auto* y = static_cast<std::byte*>(result.data());
    std::copy_n(x + layout_offset(index, tensor.shape, from) * size, size,
                y + layout_offset(index, tensor.shape, to) * size);
  });
  return result;
}

std::string index_text(int64_t flat, const Shape& shape) {
  Shape index(shape.size());
  for (size_t i = shape.size(); i-- > 0;) {
    index[i] = flat % shape[i];
    flat /= shape[i];
  }
  return to_string(index);
}

}  // namespace

Tolerance tolerance(DataType type, int64_t terms) {
  const double growth = std::sqrt(static_cast<double>(std::max<int64_t>(1, terms)));
  switch (type) {
    case DataType::kFloat64: return {1e-14 * growth, 1e-12};
    case DataType::kFloat32: return {2e-6 * growth, 2e-5};
    case DataType::kFloat16: return {1e-3 * growth, 4e-3};
    case DataType::kBFloat16: return {8e-3 * growth, 2e-2};
    default: return {0, 0};
  }
}

Tolerance tolerance(const OpCase& c, DataType type, int64_t terms) {
  const bool is_byte = type == DataType::kInt8 || type == DataType::kUInt8;
  return is_byte && c.attributes.has("y_scale") ? Tolerance{1, 0} : tolerance(type, terms);
}

HostTensor tensor(DataType type, Shape shape, const std::vector<double>& values) {
  HostTensor result = HostTensor::zeros(type, shape);
  EXPECT_EQ(element_count(shape), static_cast<int64_t>(values.size())) << to_string(shape);
  if (is_small(type)) {
    std::transform(
        values.begin(), values.end(), static_cast<uint8_t*>(result.data()), [&](double value) {
          return is_small_float(type) ? small_from_double(type, value, {.saturate = false})
                                      : small_from_int64(type, static_cast<int64_t>(value));
        });
    return result;
  }
  with_type(type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::transform(values.begin(), values.end(), static_cast<T*>(result.data()), from_double<T>);
  });
  return result;
}

HostTensor floats(Shape shape, const std::vector<double>& values) {
  return tensor(DataType::kFloat32, std::move(shape), values);
}

HostTensor int64s(Shape shape, const std::vector<double>& values) {
  return tensor(DataType::kInt64, std::move(shape), values);
}

HostTensor random_tensor(DataType type, Shape shape, uint32_t seed, double low, double high) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<double> real(low, high);
  std::uniform_int_distribution<int64_t> integer(static_cast<int64_t>(std::floor(low)),
                                                 static_cast<int64_t>(std::floor(high)));
  std::vector<double> values(static_cast<size_t>(element_count(shape)));
  for (double& value : values) {
    value = type == DataType::kBool ? static_cast<double>(generator() & 1u)
            : is_integer(type)      ? static_cast<double>(integer(generator))
                                    : real(generator);
  }
  return tensor(type, std::move(shape), values);
}

std::vector<double> values_of(const HostTensor& tensor) {
  std::vector<double> values;
  if (is_small(tensor.dtype)) {
    const auto* bits = static_cast<const uint8_t*>(tensor.data());
    for (int64_t i = 0; i < element_count(tensor.shape); ++i) {
      values.push_back(small_to_double(tensor.dtype, bits[i]));
    }
    return values;
  }
  with_type(tensor.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* data = static_cast<const T*>(tensor.data());
    for (int64_t i = 0; i < element_count(tensor.shape); ++i) {
      values.push_back(static_cast<double>(static_cast<Compute<T>>(data[i])));
    }
  });
  return values;
}

::testing::AssertionResult matches(const HostTensor& actual, const HostTensor& expected,
                                   Tolerance tolerance) {
  if (actual.dtype != expected.dtype || actual.shape != expected.shape) {
    return ::testing::AssertionFailure()
           << to_string(actual.dtype) << " " << to_string(actual.shape) << " where "
           << to_string(expected.dtype) << " " << to_string(expected.shape) << " was expected";
  }
  const std::vector<double> a = values_of(actual);
  const std::vector<double> e = values_of(expected);
  for (size_t i = 0; i < e.size(); ++i) {
    const bool same = a[i] == e[i] || (std::isnan(a[i]) && std::isnan(e[i]));
    const double allowed = tolerance.absolute + tolerance.relative * std::abs(e[i]);
    if (same || std::abs(a[i] - e[i]) <= allowed) continue;
    return ::testing::AssertionFailure()
           << a[i] << " at " << index_text(static_cast<int64_t>(i), expected.shape) << " of "
           << to_string(expected.shape) << " where " << e[i] << " was expected (+-" << allowed
           << ")";
  }
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult matches(const HostTensor& actual, const HostTensor& expected) {
  return matches(actual, expected, tolerance(expected.dtype));
}

HostTensor to_layout(const HostTensor& plain, ir::Layout layout) {
  return convert(plain, ir::Layout::kPlain, layout);
}

HostTensor from_layout(const HostTensor& tensor, ir::Layout layout) {
  return convert(tensor, layout, ir::Layout::kPlain);
}

Status reference_status(const OpCase& c) {
  std::vector<const HostTensor*> inputs;
  for (const HostTensor& input : c.inputs) inputs.push_back(input.storage ? &input : nullptr);
  return run_reference(c.op, c.attributes, inputs, c.output_types).status();
}

std::vector<HostTensor> reference(const OpCase& c) {
  std::vector<const HostTensor*> inputs;
  for (const HostTensor& input : c.inputs) inputs.push_back(input.storage ? &input : nullptr);
  auto outputs = run_reference(c.op, c.attributes, inputs, c.output_types);
  EXPECT_TRUE(outputs.is_ok()) << c.op << ": " << outputs.status().message();
  if (!outputs.is_ok()) return {};
  // Their strings may be the inputs', which need not live as long.
  for (HostTensor& output : *outputs) {
    if (output.dtype != DataType::kString || output.storage == nullptr) continue;
    std::vector<std::string_view> texts;
    const auto* refs = static_cast<const StringRef*>(output.data());
    for (int64_t i = 0; i < element_count(output.shape); ++i) texts.push_back(refs[i].view());
    output.storage = ir::make_string_constant(output.shape, texts);
  }
  expect_device_matches(c, *outputs);
  return *outputs;
}

backends::NodeFacts node_facts(const OpCase& c, const std::vector<HostTensor>& outputs) {
  backends::NodeFacts node;
  node.op = c.op;
  node.name = "test";
  node.attributes = c.attributes;
  node.threads = c.threads;
  for (const HostTensor& input : c.inputs) {
    backends::Operand operand;
    if (input.storage) {
      operand.present = true;
      operand.dtype = input.dtype;
      operand.shape = input.shape;
    }
    node.inputs.push_back(std::move(operand));
  }
  for (size_t i : c.constants) {
    node.inputs[i].data = c.inputs[i].data();
    node.inputs[i].bytes = c.inputs[i].storage->bytes;
  }
  for (size_t i = 0; i < c.output_types.size(); ++i) {
    backends::Operand operand;
    operand.dtype = c.output_types[i];
    operand.present = operand.dtype != DataType::kUndefined;
    if (operand.present && i < outputs.size()) operand.shape = outputs[i].shape;
    node.outputs.push_back(std::move(operand));
  }
  return node;
}

Result<std::vector<HostTensor>> run_tactic(const backends::Tactic& tactic, const OpCase& c,
                                           const backends::Form& form,
                                           const std::vector<HostTensor>& expected,
                                           backends::Backend* backend) {
  backends::NodeFacts node = node_facts(c, expected);
  node.config = form.config;
  std::vector<HostTensor> inputs = c.inputs;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].storage) continue;
    node.inputs[i].layout = form.inputs[i];
    if (form.inputs[i] != ir::Layout::kPlain) inputs[i] = to_layout(inputs[i], form.inputs[i]);
  }
  for (size_t i = 0; i < node.outputs.size(); ++i) node.outputs[i].layout = form.outputs[i];
  PENSTOCK_ASSIGN_OR_RETURN(std::vector<backends::PackedConstant> packed, tactic.pack(node));
  for (const backends::PackedConstant& constant : packed) {
    backends::Operand& operand = node.inputs[constant.input];
    inputs[constant.input].storage = constant.data;
    operand.data = constant.data->data;
    operand.bytes = constant.data->bytes;
    operand.format = constant.format;
  }
  PENSTOCK_ASSIGN_OR_RETURN(std::unique_ptr<backends::Kernel> kernel, tactic.bind(node));

  std::vector<const void*> data;
  for (const HostTensor& input : inputs) data.push_back(input.storage ? input.data() : nullptr);
  if (backend != nullptr && !backend->is_host_memory()) {
    return run_on_device(*backend, *kernel, node, inputs, form);
  }
  backends::CpuStream stream(c.threads);
  HostRun run(node, std::move(data), stream);
  PENSTOCK_RETURN_IF_ERROR(run.execute(*kernel));
  std::vector<HostTensor> outputs;
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    outputs.push_back(run.result(i));
    if (node.outputs[i].present && outputs[i].storage) {
      outputs[i] = from_layout(outputs[i], form.outputs[i]);
    }
  }
  return outputs;
}

void expect_gives(const backends::Tactic& tactic, const OpCase& c,
                  const std::vector<HostTensor>& expected, int64_t terms) {
  const backends::Offer offer = tactic.offer(node_facts(c, expected));
  ASSERT_FALSE(offer.forms.empty()) << tactic.name() << " refuses: " << offer.refusal;
  for (const backends::Form& form : offer.forms) {
    std::string layouts = form.config;
    for (ir::Layout layout : form.inputs) layouts += " " + std::string(ir::to_string(layout));
    SCOPED_TRACE(std::string(tactic.name()) + " as" + layouts);
    auto outputs = run_tactic(tactic, c, form, expected);
    ASSERT_TRUE(outputs.is_ok()) << outputs.status().message();
    for (size_t i = 0; i < expected.size(); ++i) {
      if (c.output_types[i] == DataType::kUndefined) continue;
      ASSERT_NE((*outputs)[i].storage, nullptr) << "output " << i << " was not written";
      EXPECT_TRUE(matches((*outputs)[i], expected[i], tolerance(c, expected[i].dtype, terms)))
          << "output " << i;
    }
  }
}

void expect_matches_reference(const backends::Tactic& tactic, const OpCase& c, int64_t terms) {
  const std::vector<HostTensor> expected = reference(c);
  ASSERT_FALSE(expected.empty());
  expect_gives(tactic, c, expected, terms);
}

}  // namespace penstock::ops::test
