// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <unordered_map>

#include "ops/reference_util.h"
#include "ops/text/text.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

constexpr int64_t kMostOutputs = int64_t{1} << 31;

// The n-grams of the pool as a tree of tokens; strings are numbered.
class Pool {
 public:
  static Result<Pool> create(const ir::Attributes& attributes) {
    Pool pool;
    const std::vector<std::string> strings = strings_attribute(attributes, "pool_strings");
    std::vector<int64_t> tokens = attributes.get_ints("pool_int64s");
    if (strings.empty() == tokens.empty()) {
      return pool.error("needs either pool_strings or pool_int64s");
    }
    pool.takes_strings_ = !strings.empty();
    for (const std::string& text : strings) {
      tokens.push_back(
          pool.words_.emplace(text, static_cast<int64_t>(pool.words_.size())).first->second);
    }
    PENSTOCK_RETURN_IF_ERROR(pool.read_limits(attributes));
    PENSTOCK_RETURN_IF_ERROR(pool.read_grams(attributes.get_ints("ngram_counts"), tokens));
    return pool;
  }

  bool takes_strings() const { return takes_strings_; }
  int64_t outputs() const { return outputs_; }

  // The number of a token; one that no n-gram has where it is not in the pool.
  int64_t token(std::string_view text) const {
    const auto found = words_.find(std::string(text));
    return found == words_.end() ? -1 : found->second;
  }

  // Adds what the n-grams of a row count for.
  void count(const std::vector<int64_t>& row, float* to) const {
    std::vector<int64_t> counts(grams_, 0);
    for (int64_t skip = 0; skip <= most_skipped_; ++skip) {
      for (size_t begin = 0; begin < row.size(); ++begin) {
        count_from(row, begin, static_cast<size_t>(skip) + 1, counts);
      }
      // A wider step finds nothing once it leaves the row at once.
      if (static_cast<uint64_t>(skip) + 1 >= row.size()) break;
    }
    for (size_t gram = 0; gram < grams_; ++gram) {
      if (counts[gram] == 0) continue;
      const float weight = weights_.empty() ? 1 : weights_[gram];
      const auto n = static_cast<float>(counts[gram]);
      to[indexes_[gram]] += mode_ == "TF" ? n : mode_ == "IDF" ? weight : n * weight;
    }
  }

 private:
  Status error(const std::string& what) const { return {StatusCode::kInvalidModel, what}; }

  Status read_limits(const ir::Attributes& attributes) {
    mode_ = attributes.get_string("mode");
    shortest_ = attributes.get_int("min_gram_length");
    longest_ = attributes.get_int("max_gram_length");
    most_skipped_ = attributes.get_int("max_skip_count");
    indexes_ = attributes.get_ints("ngram_indexes");
    weights_ = attributes.get_floats("weights");
    if (mode_ != "TF" && mode_ != "IDF" && mode_ != "TFIDF") {
      return error("mode is '" + mode_ + "'; there are TF, IDF and TFIDF");
    }
    if (shortest_ < 1 || longest_ < shortest_ || most_skipped_ < 0) {
      return error("needs 1 <= min_gram_length <= max_gram_length and max_skip_count >= 0");
    }
    if (!weights_.empty() && weights_.size() != indexes_.size()) {
      return error("has " + std::to_string(weights_.size()) + " weights for " +
                   std::to_string(indexes_.size()) + " n-grams");
    }
    for (int64_t index : indexes_) {
      if (index < 0 || index >= kMostOutputs) {
        return error("ngram_indexes holds " + std::to_string(index));
      }
      outputs_ = std::max(outputs_, index + 1);
    }
    return Status::ok();
  }

  // `starts` tells where the 1-grams begin in the pool, the 2-grams, and so on.
  Status read_grams(const std::vector<int64_t>& starts, const std::vector<int64_t>& tokens) {
    const auto total = static_cast<int64_t>(tokens.size());
    if (longest_ > static_cast<int64_t>(starts.size())) {
      return error("max_gram_length is " + std::to_string(longest_) +
                   ", and ngram_counts ends at " + std::to_string(starts.size()));
    }
    for (size_t i = 0; i < starts.size(); ++i) {
      const auto length = static_cast<int64_t>(i) + 1;
      const int64_t begin = starts[i];
      const int64_t end = i + 1 < starts.size() ? starts[i + 1] : total;
      if (begin < 0 || end < begin || end > total || (end - begin) % length != 0) {
        return error("ngram_counts does not divide the pool into n-grams");
      }
      for (int64_t at = begin; at < end; at += length) {
        if (length >= shortest_ && length <= longest_) insert(&tokens[at], length);
        ++grams_;
      }
    }
    if (grams_ == indexes_.size()) return Status::ok();
    return error("has " + std::to_string(indexes_.size()) + " ngram_indexes for " +
                 std::to_string(grams_) + " n-grams");
  }

  void insert(const int64_t* gram, int64_t length) {
    size_t node = 0;
    for (int64_t i = 0; i < length; ++i) {
      node = children_.emplace(std::pair(node, gram[i]), gram_at_.size()).first->second;
      if (node == gram_at_.size()) gram_at_.push_back(-1);
    }
    gram_at_[node] = static_cast<int64_t>(grams_);
  }

  // N-grams that begin at `begin`, their tokens `step` apart. A single token has no step: it counts
  // once.
  void count_from(const std::vector<int64_t>& row, size_t begin, size_t step,
                  std::vector<int64_t>& counts) const {
    size_t node = 0;
    int64_t length = 0;
    for (size_t at = begin; at < row.size() && length < longest_; at += step) {
      const auto next = children_.find({node, row[at]});
      if (next == children_.end()) return;
      node = next->second;
      ++length;
      const int64_t gram = gram_at_[node];
      if (gram >= 0 && (length > 1 || step == 1)) ++counts[static_cast<size_t>(gram)];
      if (step >= row.size() - at) return;
    }
  }

  bool takes_strings_ = false;
  std::string mode_;
  int64_t shortest_ = 1;
  int64_t longest_ = 1;
  int64_t most_skipped_ = 0;
  int64_t outputs_ = 0;
  size_t grams_ = 0;
  std::vector<int64_t> indexes_;
  std::vector<float> weights_;
  std::unordered_map<std::string, int64_t> words_;
  std::map<std::pair<size_t, int64_t>, size_t> children_;  // (node, token) -> node
  std::vector<int64_t> gram_at_ = {-1};                    // by node: the n-gram that ends there
};

Status infer(InferContext& context) {
  PENSTOCK_ASSIGN_OR_RETURN(const Pool pool, Pool::create(context.attributes()));
  const DataType dtype = context.dtype(0);
  const bool fits = pool.takes_strings() ? dtype == DataType::kString
                                         : dtype == DataType::kInt32 || dtype == DataType::kInt64;
  if (!fits) {
    return context.error("its input is " + std::string(to_string(dtype)) + ", its pool " +
                         (pool.takes_strings() ? "strings" : "integers"));
  }
  ir::SymbolicShape shape = context.shape(0);
  if (shape.empty() || shape.size() > 2) {
    return context.error("takes shapes [C] and [N, C], not " + ir::to_string(shape));
  }
  shape.back() = pool.outputs();
  context.set_output(0, DataType::kFloat32, std::move(shape));
  return Status::ok();
}

Status reference(const NodeFacts& node, KernelRun& run) {
  PENSTOCK_ASSIGN_OR_RETURN(const Pool pool, Pool::create(node.attributes));
  const TensorView& x = run.input(0);
  Shape shape = *x.shape;
  const int64_t columns = shape.back();
  const int64_t rows = shape.size() == 2 ? shape.front() : 1;
  shape.back() = pool.outputs();
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
  std::fill_n(y.as<float>(), y.count(), 0.0f);
  std::vector<int64_t> tokens;
  if (pool.takes_strings()) {
    for (int64_t i = 0; i < x.count(); ++i) {
      tokens.push_back(pool.token(x.as<const StringRef>()[i].view()));
    }
  } else {
    tokens = read_int64s(x);
  }
  for (int64_t row = 0; row < rows; ++row) {
    const auto begin = tokens.begin() + row * columns;
    pool.count({begin, begin + columns}, y.as<float>() + row * pool.outputs());
  }
  return Status::ok();
}

}  // namespace

const OpDefinition& tf_idf_vectorizer_op() {
  static const OpDefinition kOp = {.name = "TfIdfVectorizer",
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .infer = infer,
                                   .reference = reference};
  return kOp;
}

}  // namespace penstock::ops
