// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <string>
#include <vector>

#include "ops/attention/attention.h"
#include "ops/real_values.h"
#include "ops/reference_util.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

// Inputs: q [B, T, query_heads * K], k [B, T, heads * K], v [B, T, heads * V], a past state
// [B, heads, K, V], decay and beta.
struct Rule {
  int64_t query_heads = 0;
  int64_t heads = 0;
  bool decays = false;
  bool corrects = false;
};

Result<Rule> rule_of(const ir::Attributes& attributes) {
  Rule rule;
  rule.query_heads = attributes.get_int("q_num_heads");
  rule.heads = attributes.get_int("kv_num_heads");
  const std::string name = attributes.get_string("update_rule", "gated_delta");
  rule.decays = name == "gated" || name == "gated_delta";
  rule.corrects = name == "delta" || name == "gated_delta";
  if (!rule.decays && !rule.corrects && name != "linear") {
    return Status(StatusCode::kInvalidModel, "no update_rule '" + name + "'");
  }
  if (rule.heads < 1 || rule.query_heads < 1 || rule.query_heads % rule.heads != 0) {
    return Status(StatusCode::kInvalidModel, "q_num_heads must be a multiple of kv_num_heads");
  }
  return rule;
}

Status infer_linear_attention(InferContext& c) {
  Result<Rule> rule = rule_of(c.attributes());
  if (!rule.is_ok()) return c.error(rule.status().message());
  for (size_t i = 0; i < c.input_count(); ++i) {
    if (!c.has_input(i)) continue;
    if (c.rank(i) != (i == 3 ? 4 : 3) || !is_floating(c.dtype(i))) {
      return c.error("input " + std::to_string(i) + " has shape " + ir::to_string(c.shape(i)) +
                     ", must be floating with rank " + (i == 3 ? "4" : "3"));
    }
  }
  if (rule->decays != c.has_input(4)) return c.error("decay goes with the gated rules only");
  if (rule->corrects != c.has_input(5)) return c.error("beta goes with the delta rules only");
  const ir::SymbolicShape& q = c.shape(0);
  const ir::Dim key_size = ir::Dim::floor_div(q[2], rule->query_heads);
  const ir::Dim value_size = ir::Dim::floor_div(c.shape(2)[2], rule->heads);
  c.set_output(0, c.dtype(0), {q[0], q[1], value_size * rule->query_heads});
  c.set_output(1, c.has_input(3) ? c.dtype(3) : c.dtype(0),
               {q[0], rule->heads, key_size, value_size});
  return Status::ok();
}

struct Sizes {
  int64_t batch, tokens, key, value;
  int64_t decay_columns;  // per head: 1, or one per key element
  int64_t beta_columns;   // of a token: 1, or one per head
};

Result<Sizes> sizes_of(const Rule& rule, const KernelRun& run) {
  const Shape& q = *run.input(0).shape;
  const Shape& v = *run.input(2).shape;
  Sizes s{q[0], q[1], q[2] / rule.query_heads, v[2] / rule.heads, 1, 1};
  const auto is = [&](size_t i, const Shape& shape) {
    return !run.has_input(i) || *run.input(i).shape == shape;
  };
  if (run.has_input(4) && (*run.input(4).shape)[2] != rule.heads) s.decay_columns = s.key;
  if (run.has_input(5) && (*run.input(5).shape)[2] != 1) s.beta_columns = rule.heads;
  const bool fits = is(0, {s.batch, s.tokens, s.key * rule.query_heads}) &&
                    is(1, {s.batch, s.tokens, s.key * rule.heads}) &&
                    is(2, {s.batch, s.tokens, s.value * rule.heads}) &&
                    is(3, {s.batch, rule.heads, s.key, s.value}) &&
                    is(4, {s.batch, s.tokens, s.decay_columns * rule.heads}) &&
                    is(5, {s.batch, s.tokens, s.beta_columns});
  if (fits) return s;
  return Status(StatusCode::kInvalidArgument,
                "LinearAttention: its inputs contradict each other; query is " + to_string(q) +
                    ", value " + to_string(v));
}

struct Operands {
  std::vector<double> q, k, v, decay, beta;
};

// One token of one head: the state S [key, value] forgets, learns, and answers the group's queries.
void step(const Rule& rule, const Sizes& s, const Operands& in, int64_t token, int64_t head,
          double scale, double* state, double* y) {
  const double* k = &in.k[(token * rule.heads + head) * s.key];
  const double* v = &in.v[(token * rule.heads + head) * s.value];
  if (rule.decays) {
    const double* decay = &in.decay[(token * rule.heads + head) * s.decay_columns];
    for (int64_t d = 0; d < s.key; ++d) {
      const double keep = std::exp(decay[s.decay_columns == 1 ? 0 : d]);
      for (int64_t m = 0; m < s.value; ++m) state[d * s.value + m] *= keep;
    }
  }
  std::vector<double> learnt(v, v + s.value);
  if (rule.corrects) {
    const double rate = in.beta[token * s.beta_columns + (s.beta_columns == 1 ? 0 : head)];
    for (int64_t m = 0; m < s.value; ++m) {
      double known = 0.0;
      for (int64_t d = 0; d < s.key; ++d) known += state[d * s.value + m] * k[d];
      learnt[m] = rate * (v[m] - known);
    }
  }
  for (int64_t d = 0; d < s.key; ++d) {
    for (int64_t m = 0; m < s.value; ++m) state[d * s.value + m] += k[d] * learnt[m];
  }
  const int64_t group = rule.query_heads / rule.heads;
  for (int64_t h = head * group; h < (head + 1) * group; ++h) {
    const double* q = &in.q[(token * rule.query_heads + h) * s.key];
    double* out = y + (token * rule.query_heads + h) * s.value;
    for (int64_t m = 0; m < s.value; ++m) {
      for (int64_t d = 0; d < s.key; ++d) out[m] += scale * q[d] * state[d * s.value + m];
    }
  }
}

Status reference_linear_attention(const NodeFacts& node, KernelRun& run) {
  PENSTOCK_ASSIGN_OR_RETURN(const Rule rule, rule_of(node.attributes));
  PENSTOCK_ASSIGN_OR_RETURN(const Sizes s, sizes_of(rule, run));
  const auto reals = [&](size_t i) {
    return run.has_input(i) ? read_reals(run.input(i)) : std::vector<double>();
  };
  const Operands in = {reals(0), reals(1), reals(2), reals(4), reals(5)};
  std::vector<double> state = reals(3);
  const int64_t state_size = s.key * s.value;
  state.resize(static_cast<size_t>(s.batch * rule.heads * state_size), 0.0);
  std::vector<double> y(static_cast<size_t>(s.batch * s.tokens * rule.query_heads * s.value), 0.0);
  double scale = node.attributes.get_float("scale");
  if (scale == 0.0) scale = 1.0 / std::sqrt(static_cast<double>(s.key));
  if (!y.empty() && state_size > 0) {
    for_each_index({s.batch, rule.heads, s.tokens}, [&](const std::vector<int64_t>& at) {
      double* own = &state[(at[0] * rule.heads + at[1]) * state_size];
      step(rule, s, in, at[0] * s.tokens + at[2], at[1], scale, own, y.data());
    });
  }
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView out,
                            run.output(0, {s.batch, s.tokens, s.value * rule.query_heads}));
  PENSTOCK_RETURN_IF_ERROR(write_reals(y, out));
  if (!run.has_output(1)) return Status::ok();
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView present,
                            run.output(1, {s.batch, rule.heads, s.key, s.value}));
  return write_reals(state, present);
}

}  // namespace

const OpDefinition kLinearAttention = {.name = "LinearAttention",
                                       .min_inputs = 3,
                                       .max_inputs = 6,
                                       .outputs = 2,
                                       .infer = infer_linear_attention,
                                       .reference = reference_linear_attention};

}  // namespace penstock::ops
