// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/accuracy.h>

namespace penstock::accuracy {

// Samples `begin` to `begin + count` of an array.
Tensor rows(const Tensor& array, int64_t begin, int64_t count);

// How many samples the data has for these inputs: what their first axes agree on. Errors name the
// input that is missing or differs.
Result<int64_t> sample_count(const Arrays& data, const std::vector<TensorInfo>& inputs);

// The first samples of every array that has as many as `of`; the others stay whole.
Arrays first_samples(const Arrays& data, int64_t of, int64_t count);

// The array as this type; an error names it and the sample whose value does not fit.
Result<Tensor> converted(const Tensor& array, DataType dtype, const std::string& name);

// Elements as double; an error for types that are no numbers.
Result<std::vector<double>> numbers(const Tensor& array, const std::string& name);
// The same for arrays whose elements are whole numbers.
Result<std::vector<int64_t>> whole_numbers(const Tensor& array, const std::string& name);

}  // namespace penstock::accuracy
