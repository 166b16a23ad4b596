// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/tensor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/half.h"
#include "import/model_testlib.h"

namespace penstock::importer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Puts the tensor into a model and reads it from there.
Result<ir::ConstantRef> read(const onnx::TensorProto& tensor, const std::string& folder = ".") {
  auto model = std::make_shared<onnx::ModelProto>();
  *model->mutable_graph()->add_initializer() = tensor;
  const onnx::TensorProto& own = model->graph().initializer(0);
  return TensorReader(model, folder).read(own, own.name());
}

onnx::TensorProto make_tensor(int type, const std::vector<int64_t>& shape) {
  onnx::TensorProto tensor;
  tensor.set_name("w");
  tensor.set_data_type(type);
  tensor.mutable_dims()->Add(shape.begin(), shape.end());
  return tensor;
}

template <typename T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

TEST(Tensor, TypedFieldsHoldEveryType) {
  const auto read_ints = [](int type) {
    onnx::TensorProto tensor = make_tensor(type, {2});
    tensor.add_int32_data(1);
    tensor.add_int32_data(120);
    return ir::to_int64s(**read(tensor));
  };
  using Proto = onnx::TensorProto;
  for (const int type : {Proto::INT32, Proto::INT16, Proto::INT8, Proto::UINT16, Proto::UINT8}) {
    EXPECT_THAT(read_ints(type), ElementsAre(1, 120)) << type;
  }
  EXPECT_THAT(read_ints(Proto::BOOL), ElementsAre(1, 1));
  for (const int type : {Proto::UINT64, Proto::UINT32}) {
    onnx::TensorProto tensor = make_tensor(type, {1});
    tensor.add_uint64_data(7);
    EXPECT_THAT(ir::to_int64s(**read(tensor)), ElementsAre(7));
  }
  onnx::TensorProto doubles = make_tensor(Proto::DOUBLE, {1});
  doubles.add_double_data(0.5);
  EXPECT_THAT(ir::to_floats(**read(doubles)), ElementsAre(0.5f));
}

TEST(Tensor, SixteenBitFloatsAreBitsInIntegers) {
  onnx::TensorProto half = make_tensor(onnx::TensorProto::FLOAT16, {2});
  half.add_int32_data(0x3c00);
  half.add_int32_data(0xc000);
  EXPECT_THAT(ir::to_floats(**read(half)), ElementsAre(1, -2));
  onnx::TensorProto bfloat = make_tensor(onnx::TensorProto::BFLOAT16, {1});
  bfloat.add_int32_data(0x3fc0);
  EXPECT_THAT(ir::to_floats(**read(bfloat)), ElementsAre(1.5f));
}

TEST(Tensor, SmallElementsAreUnpacked) {
  using Proto = onnx::TensorProto;
  const auto bytes_of = [](const Result<ir::ConstantRef>& constant) {
    const auto span = (*constant)->as<uint8_t>();
    return std::vector<int>(span.begin(), span.end());
  };
  onnx::TensorProto four = make_tensor(Proto::INT4, {3});
  four.set_raw_data(std::string("\x21\x0f", 2));
  EXPECT_THAT(bytes_of(read(four)), ElementsAre(1, 2, 15));
  four.clear_raw_data();
  four.add_int32_data(0x21);
  four.add_int32_data(0x0f);
  EXPECT_THAT(bytes_of(read(four)), ElementsAre(1, 2, 15));
  onnx::TensorProto two = make_tensor(Proto::UINT2, {5});
  two.set_raw_data(std::string("\xe4\x02", 2));
  EXPECT_THAT(bytes_of(read(two)), ElementsAre(0, 1, 2, 3, 2));
  onnx::TensorProto eight = make_tensor(Proto::FLOAT8E4M3FN, {2});
  eight.add_int32_data(0x38);
  eight.add_int32_data(0xb8);
  EXPECT_THAT(bytes_of(read(eight)), ElementsAre(0x38, 0xb8));
  two.set_raw_data("x");
  EXPECT_THAT(read(two).status().message(), HasSubstr("holds 1 bytes, but its shape [5] and type "
                                                      "uint2 need 2"));
  four.add_int32_data(0);
  EXPECT_THAT(read(four).status().message(), HasSubstr("holds 3 packed bytes"));
}

TEST(Tensor, LargeRawDataIsNotCopied) {
  auto model = std::make_shared<onnx::ModelProto>();
  onnx::TensorProto& tensor = *model->mutable_graph()->add_initializer();
  tensor = make_tensor(kFloat, {1024});
  tensor.set_raw_data(raw(std::vector<float>(1024, 3.0f)));
  const char* bytes = tensor.raw_data().data();
  std::weak_ptr<onnx::ModelProto> watch = model;
  Result<ir::ConstantRef> constant = TensorReader(std::move(model), ".").read(tensor, "w");
  ASSERT_TRUE(constant.is_ok());
  EXPECT_EQ(reinterpret_cast<const char*>((*constant)->data), bytes);
  EXPECT_FALSE(watch.expired());
}

TEST(Tensor, RawBoolsAreZeroOrOne) {
  onnx::TensorProto tensor = make_tensor(kBool, {3});
  tensor.set_raw_data(std::string("\x00\x01\xff", 3));
  EXPECT_THAT(ir::to_int64s(**read(tensor)), ElementsAre(0, 1, 1));
}

TEST(Tensor, EmptyTensorsAndScalarsAreFine) {
  EXPECT_EQ((*read(make_tensor(kFloat, {0, INT64_MAX, INT64_MAX})))->bytes, 0u);
  onnx::TensorProto scalar = make_tensor(kFloat, {});
  scalar.add_float_data(2);
  EXPECT_THAT((*read(scalar))->as<float>(), ElementsAre(2));
}

TEST(Tensor, SizesMustMatchShapes) {
  const auto error = [](const onnx::TensorProto& tensor) {
    return read(tensor).status().message();
  };
  onnx::TensorProto tensor = make_tensor(kFloat, {2, 2});
  tensor.add_float_data(1);
  EXPECT_THAT(error(tensor),
              HasSubstr("tensor 'w': holds 1 elements, but its shape [2, 2] needs 4"));
  tensor.set_raw_data("12345");
  EXPECT_THAT(error(tensor),
              HasSubstr("holds 5 bytes, but its shape [2, 2] and type float32 need"));
  EXPECT_THAT(error(make_tensor(kFloat, {-1})), HasSubstr("a shape of [-1]"));
  EXPECT_THAT(error(make_tensor(kFloat, {INT64_MAX, 5})), HasSubstr("is too large"));
}

TEST(Tensor, UnsupportedTypesAreNamed) {
  EXPECT_THAT(read(make_tensor(onnx::TensorProto::COMPLEX64, {1})).status().message(),
              HasSubstr("tensor 'w': elements of type complex64 are not supported"));
  EXPECT_THAT(read(make_tensor(1234, {1})).status().message(), HasSubstr("type number 1234"));
  onnx::TensorProto segment = make_tensor(kFloat, {1});
  segment.mutable_segment();
  EXPECT_THAT(read(segment).status().message(), HasSubstr("segments"));
}

class ExternalTensor : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) /
              ("external_tensor" + std::to_string(::getpid()));
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ / "model" / "sub");
    std::ofstream(folder_ / "secret") << "1234567890123456";
    std::ofstream(folder_ / "model" / "sub" / "w.bin", std::ios::binary)
        << raw(std::vector<float>{1, 2, 3, 4});
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Result<ir::ConstantRef> read_at(const std::string& location, const std::string& offset = "",
                                  const std::string& length = "", int64_t count = 2) {
    onnx::TensorProto tensor = make_tensor(kFloat, {count});
    tensor.set_data_location(onnx::TensorProto::EXTERNAL);
    const auto add = [&](const char* key, const std::string& value) {
      if (value.empty()) return;
      auto& entry = *tensor.add_external_data();
      entry.set_key(key);
      entry.set_value(value);
    };
    add("location", location);
    add("offset", offset);
    add("length", length);
    return read(tensor, (folder_ / "model").string());
  }
  std::string error_at(const std::string& location, const std::string& offset = "",
                       const std::string& length = "") {
    return read_at(location, offset, length).status().message();
  }

  std::filesystem::path folder_;
};

TEST_F(ExternalTensor, IsReadFromItsPlace) {
  Result<ir::ConstantRef> constant = read_at("sub/w.bin", "4", "8");
  ASSERT_TRUE(constant.is_ok()) << constant.status().message();
  EXPECT_THAT((*constant)->as<float>(), ElementsAre(2, 3));
  EXPECT_THAT((*read_at("./sub/../sub/w.bin"))->as<float>(), ElementsAre(1, 2));
}

TEST_F(ExternalTensor, StaysInTheModelsFolder) {
  EXPECT_THAT(error_at("../secret"), HasSubstr("'../secret' is outside the model's folder"));
  EXPECT_THAT(error_at("sub/../../secret"), HasSubstr("outside"));
  EXPECT_THAT(error_at((folder_ / "secret").string()), HasSubstr("is an absolute path"));
  std::filesystem::create_symlink(folder_ / "secret", folder_ / "model" / "link");
  EXPECT_THAT(error_at("link"), HasSubstr("is a link that leaves the model's folder"));
  std::filesystem::create_directory_symlink(folder_, folder_ / "model" / "up");
  EXPECT_THAT(error_at("up/secret"), HasSubstr("is a link that leaves the model's folder"));
  EXPECT_THAT(error_at(""), HasSubstr("has no file name"));
}

TEST_F(ExternalTensor, SizesAreChecked) {
  EXPECT_THAT(error_at("sub/w.bin", "12"),
              HasSubstr("tensor 'w': external data 'sub/w.bin' ends at 16 bytes, but 8 are needed "
                        "at offset 12"));
  EXPECT_THAT(error_at("sub/w.bin", "18446744073709551615"), HasSubstr("ends at 16 bytes"));
  EXPECT_THAT(error_at("sub/w.bin", "0", "12"), HasSubstr("has 12 bytes of external data"));
  EXPECT_THAT(error_at("sub/w.bin", "-4"), HasSubstr("offset '-4'"));
  EXPECT_THAT(error_at("sub/w.bin", "4x"), HasSubstr("offset '4x'"));
  EXPECT_THAT(error_at("missing.bin"), HasSubstr("missing.bin': No such file"));
  EXPECT_THAT(error_at("sub"), HasSubstr("is a directory"));
}

TEST_F(ExternalTensor, LargeOnesShareTheMapping) {
  std::ofstream(folder_ / "model" / "big", std::ios::binary) << raw(std::vector<float>(4096, 5.0f));
  Result<ir::ConstantRef> constant = read_at("big", "", "", 4096);
  ASSERT_TRUE(constant.is_ok()) << constant.status().message();
  EXPECT_EQ(reinterpret_cast<uintptr_t>((*constant)->data) % 4096, 0u);
  EXPECT_EQ((*constant)->as<float>()[4095], 5.0f);
}

}  // namespace
}  // namespace penstock::importer
