// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/matmul/mlp_cuda.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/cuda_status.h"
#include "ops/cuda_tactic.h"
#include "ops/cuda_tactics.h"
#include "ops/matmul/mlp.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::Operand;
using backends::TensorView;

// Name of the packed form of weights for clusters of that many blocks.
std::string format_for(int cluster) { return "mlp:" + std::to_string(cluster); }

int32_t ceil_of(int64_t a, int64_t b) { return static_cast<int32_t>((a + b - 1) / b); }

// Rows and columns of a layer's weights, whatever form they are packed in.
struct MatrixSize {
  int64_t k = 0, n = 0;
};
MatrixSize matrix_size(const NodeFacts& node, const MlpLayer& layer) {
  const Shape& shape = node.inputs[layer.weights].shape;
  return {shape[layer.trans_b ? 1 : 0], shape[layer.trans_b ? 0 : 1]};
}

Result<CudaMlpLayer> describe_layer(const NodeFacts& node, const MlpLayer& layer, DataType dtype,
                                    int cluster) {
  const Operand& weights = node.inputs[layer.weights];
  if (weights.dtype != dtype) return refuse("layers of several types");
  if (weights.data == nullptr) return refuse("weights that are known at the run only");
  if (node.has_input(layer.bias) && node.inputs[layer.bias].dtype != dtype) {
    return refuse("a bias of another type");
  }
  if (layer.epilogue.size() > 1) return refuse("an epilogue of more than one step");
  const MatrixSize size = matrix_size(node, layer);
  if (size.k * size.n == 0 || std::max(size.k, size.n) > int64_t{1} << 20) {
    return refuse("an empty product, or one of more than a million rows or columns");
  }
  CudaMlpLayer made;
  made.columns = static_cast<int32_t>(size.n);
  made.depth = ceil_of(size.k, kMlpTileDepth);
  made.tiles = ceil_of(size.n, kMlpTileColumns);
  made.tiles_of_block = ceil_of(made.tiles, cluster);
  if (!layer.epilogue.empty()) {
    const EpilogueStep& step = layer.epilogue.front();
    if (step.is_binary() || step.kind == EpilogueStep::Kind::kRound) {
      return refuse("an epilogue with operands");
    }
    made.has_activation = true;
    made.activation = step.kind;
    made.a = step.a;
    made.b = step.b;
  }
  return made;
}

Result<CudaMlp> describe(const NodeFacts& node, const MlpFacts& facts, int cluster) {
  CudaMlp mlp;
  mlp.dtype = node.inputs[facts.layers.front().weights].dtype;
  mlp.y_dtype = node.outputs[0].dtype;
  mlp.cluster = cluster;
  if (mlp.dtype != DataType::kFloat16 && mlp.dtype != DataType::kBFloat16) {
    return refuse("multiplies float16 and bfloat16");
  }
  if (mlp.y_dtype != mlp.dtype && mlp.y_dtype != DataType::kFloat32) {
    return refuse("a result of another type");
  }
  if (facts.layers.size() > kMostMlpLayers) return refuse("more than eight layers");
  PENSTOCK_ASSIGN_OR_RETURN(mlp.rows, cuda_embedding_rows(node, facts.pieces, mlp.dtype));
  for (const MlpLayer& layer : facts.layers) {
    PENSTOCK_ASSIGN_OR_RETURN(mlp.layers[mlp.count],
                              describe_layer(node, layer, mlp.dtype, cluster));
    ++mlp.count;
  }
  return mlp;
}

int64_t shared_limit() {
  int device = 0;
  int bytes = 0;
  (void)cudaGetDevice(&device);
  (void)cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  return bytes;
}

// A kernel for the node's rows: as many at once as keep all clusters at work and fit.
Result<int64_t> choose_rows(CudaMlp& mlp) {
  mlp.row_tiles = 1;
  int64_t bytes = lay_out_mlp(mlp);
  if (bytes > shared_limit()) {
    return refuse("the weights take " + std::to_string(bytes >> 10) +
                  " KiB of shared memory, more than a block has");
  }
  int clusters = most_mlp_clusters(mlp, bytes);
  if (clusters == 0) return refuse("the device has no clusters of that many blocks");
  const int64_t tiles = ceil_of(mlp.rows.rows, kMlpTileRows);
  if (tiles > clusters) {
    CudaMlp wide = mlp;
    wide.row_tiles = 4;
    const int64_t wide_bytes = lay_out_mlp(wide);
    const int at_once = wide_bytes > shared_limit() ? 0 : most_mlp_clusters(wide, wide_bytes);
    if (at_once > 0) {
      mlp = wide;
      bytes = wide_bytes;
      clusters = at_once;
    }
  }
  mlp.clusters =
      static_cast<unsigned>(std::clamp<int64_t>(ceil_of(tiles, mlp.row_tiles), 1, clusters));
  return bytes;
}

// [rank, tile, depth, lane] of eight elements: what lane t multiplies rows with, twice two numbers
// of the column t / 4 for each of two instructions.
ir::ConstantRef pack_weights(const Operand& weights, bool trans_b, const CudaMlpLayer& layer,
                             int cluster) {
  const int64_t k = weights.shape[trans_b ? 1 : 0];
  const int64_t n = weights.shape[trans_b ? 0 : 1];
  const int64_t tiles = int64_t{layer.tiles_of_block} * cluster;
  const int64_t elements = tiles * layer.depth * kMlpTileBytes / 2;
  ir::ConstantRef packed = ir::make_constant(weights.dtype, {elements}, nullptr);
  const auto* from = static_cast<const uint16_t*>(weights.data);
  auto* to = reinterpret_cast<uint16_t*>(const_cast<std::byte*>(packed->data));
  for (int64_t tile = 0; tile < tiles; ++tile) {
    for (int64_t d = 0; d < layer.depth; ++d) {
      for (int lane = 0; lane < 32; ++lane) {
        for (int e = 0; e < 8; ++e, ++to) {
          const int64_t column = tile * kMlpTileColumns + lane / 4;
          const int64_t row = d * kMlpTileDepth + e / 2 * 8 + lane % 4 * 2 + e % 2;
          if (column < n && row < k) *to = from[trans_b ? column * k + row : row * n + column];
        }
      }
    }
  }
  return packed;
}

class MlpTactic : public backends::Tactic {
 public:
  std::string_view name() const override { return "cuda.mlp"; }

  // A form for each size of cluster; config is the number of blocks.
  Offer offer(const NodeFacts& node) const override {
    Offer offer;
    const auto facts = mlp_facts(node.attributes, node.inputs.size());
    if (!facts.is_ok()) return Offer::refuse(facts.status().message());
    if (backends::cuda::compute_capability() < 90) {
      return Offer::refuse("needs clusters of blocks, which devices have from 9.0 on");
    }
    for (int cluster = kMostMlpCluster; cluster >= 1; cluster /= 2) {
      Result<CudaMlp> mlp = describe(node, *facts, cluster);
      const Status status = mlp.is_ok() ? choose_rows(*mlp).status() : mlp.status();
      if (status.is_ok()) {
        offer.forms.push_back(Offer::plain(node, std::to_string(cluster)).forms.front());
      } else if (offer.refusal.empty()) {
        offer.refusal = status.message();
      }
    }
    if (!offer.forms.empty()) offer.refusal.clear();
    return offer;
  }

  Result<std::vector<backends::PackedConstant>> pack(const NodeFacts& node) const override {
    PENSTOCK_ASSIGN_OR_RETURN(const MlpFacts facts, mlp_facts(node.attributes, node.inputs.size()));
    const int cluster = cluster_of(node);
    std::vector<backends::PackedConstant> packed;
    for (const MlpLayer& layer : facts.layers) {
      const Operand& weights = node.inputs[layer.weights];
      PENSTOCK_ASSIGN_OR_RETURN(const CudaMlpLayer made,
                                describe_layer(node, layer, weights.dtype, cluster));
      packed.push_back({layer.weights, pack_weights(weights, layer.trans_b, made, cluster),
                        format_for(cluster)});
    }
    return packed;
  }

  Result<std::unique_ptr<backends::Kernel>> bind(const NodeFacts& node) const override {
    PENSTOCK_ASSIGN_OR_RETURN(MlpFacts facts, mlp_facts(node.attributes, node.inputs.size()));
    const int cluster = cluster_of(node);
    PENSTOCK_ASSIGN_OR_RETURN(CudaMlp bound, describe(node, facts, cluster));
    for (const MlpLayer& layer : facts.layers) {
      if (node.inputs[layer.weights].format != format_for(cluster)) {
        return refuse("weights that are not packed");
      }
    }
    PENSTOCK_ASSIGN_OR_RETURN(const int64_t bytes, choose_rows(bound));
    return make_cuda_kernel(
        "cuda.mlp",
        [bound, bytes, facts = std::move(facts), shape = node.outputs[0].shape](
            KernelRun& run, cudaStream_t stream) -> Status {
          CudaMlp mlp = bound;
          PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
          if (mlp.rows.rows == 0) return Status::ok();
          mlp.rows = place_embedding_rows(facts.pieces, run, mlp.dtype, bound.rows);
          for (int l = 0; l < mlp.count; ++l) {
            mlp.layers[l].weights = run.input(facts.layers[l].weights).data;
            const bool has_bias = run.has_input(facts.layers[l].bias);
            mlp.layers[l].bias = has_bias ? run.input(facts.layers[l].bias).data : nullptr;
          }
          mlp.y = y.data;
          return backends::cuda::cuda_status(launch_mlp(mlp, bytes, stream),
                                             "launch of the layers of an MLP");
        });
  }

 private:
  static int cluster_of(const NodeFacts& node) {
    int cluster = 1;
    std::from_chars(node.config.data(), node.config.data() + node.config.size(), cluster);
    return std::clamp(cluster, 1, kMostMlpCluster);
  }
};

}  // namespace

TacticList mlp_cuda_tactics() {
  static const MlpTactic kTactic;
  return {{"MLP", &kTactic}};
}

}  // namespace penstock::ops
