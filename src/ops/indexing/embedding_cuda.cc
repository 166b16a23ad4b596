// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/indexing/embedding_cuda.h"

#include <limits>

#include "ops/cuda_tactic.h"
#include "ops/cuda_tactics.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::Operand;
using backends::TensorView;

constexpr int64_t kMost = std::numeric_limits<int32_t>::max();

Status add_lookup(const NodeFacts& node, const EmbeddingPiece& piece, CudaEmbeddingPiece& made) {
  const Operand& indices = node.inputs[piece.indices];
  const bool wide = indices.dtype == DataType::kInt64;
  if (!wide && indices.dtype != DataType::kInt32) return refuse("takes indices of int32 or int64");
  made.wide_indices = wide;
  made.extent = node.inputs[piece.data].shape[0];
  made.index_stride = indices.shape.size() == 1 ? 1 : static_cast<int32_t>(indices.shape[1]);
  made.first_index = static_cast<int32_t>(std::max<int64_t>(0, piece.column));
  made.one_offset = piece.has_offsets() && element_count(node.inputs[piece.offsets].shape) == 1;
  if (made.first_index < made.index_stride) return Status::ok();
  return refuse("a column that the indices lack");
}

Result<CudaLaunch> bind_concat(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(EmbeddingPieces pieces,
                            embedding_pieces(node.attributes, node.inputs.size()));
  const DataType dtype = node.outputs[0].dtype;
  PENSTOCK_ASSIGN_OR_RETURN(CudaEmbeddingRows bound, cuda_embedding_rows(node, pieces, dtype));
  return CudaLaunch(
      [bound, dtype, pieces = std::move(pieces)](KernelRun& run, cudaStream_t stream) -> Status {
        PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, {bound.rows, bound.columns}));
        const CudaEmbeddingRows rows = place_embedding_rows(pieces, run, dtype, bound);
        launch_embedding_concat(rows, dtype, y.data, rows.columns, stream);
        return Status::ok();
      });
}

Offer offer_concat(const NodeFacts& node) {
  const auto pieces = embedding_pieces(node.attributes, node.inputs.size());
  if (!pieces.is_ok()) return Offer::refuse(pieces.status().message());
  return plain_or_refuse(node, cuda_embedding_rows(node, *pieces, node.outputs[0].dtype).status());
}

bool is_aligned(const void* address) { return reinterpret_cast<uintptr_t>(address) % 16 == 0; }

}  // namespace

Result<CudaEmbeddingRows> cuda_embedding_rows(const NodeFacts& node, const EmbeddingPieces& pieces,
                                              DataType dtype) {
  if (!is_device_float(dtype)) return refuse("makes rows of float32, float16 and bfloat16");
  if (pieces.list.size() > kMostEmbeddingPieces) return refuse("more pieces than a launch takes");
  CudaEmbeddingRows rows;
  for (const EmbeddingPiece& piece : pieces.list) {
    CudaEmbeddingPiece& made = rows.pieces[rows.count++];
    const Operand& data = node.inputs[piece.data];
    made.dtype = data.dtype;
    if (!is_device_float(data.dtype)) return refuse("reads float32, float16 and bfloat16");
    const Operand& lines = piece.is_lookup() ? node.inputs[piece.indices] : data;
    if (rows.count > 1 && lines.shape[0] != rows.rows) return refuse("pieces of unequal rows");
    rows.rows = lines.shape[0];
    int64_t columns = data.shape[1];
    made.width = static_cast<int32_t>(std::min(columns, kMost));
    if (piece.is_lookup()) {
      PENSTOCK_RETURN_IF_ERROR(add_lookup(node, piece, made));
      columns *= lookups_of(piece, lines.shape);
    }
    made.first_column = rows.columns;
    if (columns > kMost - rows.columns) return refuse("more than 2^31 columns");
    rows.columns += static_cast<int32_t>(columns);
  }
  if (rows.rows * rows.columns > kMost) return refuse("more than 2^31 elements");
  return rows;
}

CudaEmbeddingRows place_embedding_rows(const EmbeddingPieces& pieces, const KernelRun& run,
                                       DataType dtype, const CudaEmbeddingRows& bound) {
  const auto unit = static_cast<int32_t>(16 / size_of(dtype));
  CudaEmbeddingRows rows = bound;
  rows.count = rows.units = rows.aligned_units = 0;
  for (const bool aligned : {true, false}) {
    for (int32_t i = 0; i < bound.count; ++i) {
      const EmbeddingPiece& piece = pieces.list[i];
      CudaEmbeddingPiece made = bound.pieces[i];
      made.data = run.input(piece.data).data;
      made.whole_units = made.dtype == dtype && made.width % unit == 0 && is_aligned(made.data);
      if ((made.whole_units && made.first_column % unit == 0) != aligned) continue;
      if (piece.is_lookup()) made.indices = run.input(piece.indices).data;
      if (piece.has_offsets()) made.offsets = run.input(piece.offsets).as<const int64_t>();
      const int32_t end = i + 1 < bound.count ? bound.pieces[i + 1].first_column : bound.columns;
      made.first_unit = rows.units;
      rows.units += (end - made.first_column) / (made.whole_units ? unit : 1);
      rows.pieces[rows.count++] = made;
    }
    if (aligned) rows.aligned_units = rows.units;
  }
  return rows;
}

TacticList embedding_cuda_tactics() {
  static const CudaTactic kConcat("cuda.embedding_concat", offer_concat, bind_concat);
  return {{"EmbeddingConcat", &kConcat}};
}

}  // namespace penstock::ops
