// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/epilogue.h"
#include "ops/indexing/embedding_pieces.h"
#include "ops/indexing/indexing.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;
using ir::Dim;
using ir::SymbolicShape;

bool is_index(DataType type) { return type == DataType::kInt32 || type == DataType::kInt64; }

Status check_lookup(const InferContext& c, const EmbeddingPiece& piece) {
  if (!is_index(c.dtype(piece.indices))) {
    return c.error("indices of type " + std::string(to_string(c.dtype(piece.indices))));
  }
  const int64_t rank = c.rank(piece.indices);
  if (rank < 1 || rank > 2 || (piece.column >= 0 && rank != 2)) {
    return c.error("indices " + ir::to_string(c.shape(piece.indices)) + " of a lookup");
  }
  if (!piece.has_offsets()) return Status::ok();
  const SymbolicShape& offsets = c.shape(piece.offsets);
  const Dim count = lookups_of(piece, c.shape(piece.indices));
  const bool fits =
      offsets.empty() || (offsets.size() == 1 && (offsets[0] == Dim(1) || offsets[0] == count));
  if (c.dtype(piece.offsets) == DataType::kInt64 && fits) return Status::ok();
  return c.error("offsets " + ir::to_string(offsets) + " of a lookup");
}

// Reads a piece row by row.
class RowReader {
 public:
  RowReader(const EmbeddingPiece& piece, const KernelRun& run)
      : piece_(piece), data_(run.input(piece.data)) {
    width_ = data_.shape->at(1);
    extent_ = data_.shape->at(0);
    if (!piece.is_lookup()) return;
    const TensorView& indices = run.input(piece.indices);
    indices_ = read_int64s(indices);
    stride_ = indices.shape->size() == 1 ? 1 : indices.shape->at(1);
    count_ = lookups_of(piece, *indices.shape);
    if (piece.has_offsets()) offsets_ = read_int64s(run.input(piece.offsets));
  }

  int64_t rows(const KernelRun& run) const {
    return run.input(piece_.is_lookup() ? piece_.indices : piece_.data).shape->at(0);
  }
  int64_t columns() const { return width_ * count_; }

  Status read(int64_t row, double* to) const {
    for (int64_t k = 0; k < count_; ++k) {
      int64_t from = row;
      if (piece_.is_lookup()) {
        int64_t index = indices_[row * stride_ + std::max<int64_t>(0, piece_.column) + k];
        if (!offsets_.empty()) index += offsets_[offsets_.size() == 1 ? 0 : k];
        PENSTOCK_ASSIGN_OR_RETURN(from, wrap_index(index, extent_));
      }
      const Shape width = {width_};
      const auto bytes = static_cast<size_t>(from * width_) * size_of(data_.dtype);
      PENSTOCK_ASSIGN_OR_RETURN(
          const std::vector<double> elements,
          read_doubles({data_.dtype, data_.layout, &width, data_.as<std::byte>() + bytes}));
      std::copy(elements.begin(), elements.end(), to + k * width_);
    }
    return Status::ok();
  }

 private:
  const EmbeddingPiece& piece_;
  const TensorView& data_;
  int64_t width_ = 0;
  int64_t extent_ = 0;
  int64_t stride_ = 0;
  int64_t count_ = 1;
  std::vector<int64_t> indices_;
  std::vector<int64_t> offsets_;
};

Status infer_embedding_concat(InferContext& c) {
  PENSTOCK_ASSIGN_OR_RETURN(const EmbeddingPieces pieces,
                            embedding_pieces(c.attributes(), c.input_count()));
  PENSTOCK_ASSIGN_OR_RETURN(SymbolicShape shape, infer_embedding_rows(c, pieces));
  c.set_output(0, static_cast<DataType>(c.attributes().get_int("to")), std::move(shape));
  return Status::ok();
}

Status run_embedding_concat(const NodeFacts& node, KernelRun& run) {
  PENSTOCK_ASSIGN_OR_RETURN(const EmbeddingPieces pieces,
                            embedding_pieces(node.attributes, run.input_count()));
  Shape shape;
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<double> rows,
                            read_embedding_rows(pieces, run, shape));
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
  return write_doubles(rows, y);
}

}  // namespace

Result<EmbeddingPieces> embedding_pieces(const ir::Attributes& attributes, size_t inputs) {
  EmbeddingPieces pieces;
  const std::vector<int64_t> numbers = attributes.get_ints("pieces");
  for (size_t i = 0; i + 1 < numbers.size(); i += 2) {
    EmbeddingPiece piece;
    if (numbers[i] < 0 || numbers[i] > 2) break;
    piece.kind = static_cast<EmbeddingPiece::Kind>(numbers[i]);
    piece.column = numbers[i + 1];
    piece.data = pieces.inputs++;
    if (piece.is_lookup()) piece.indices = pieces.inputs++;
    if (piece.has_offsets()) piece.offsets = pieces.inputs++;
    pieces.list.push_back(piece);
  }
  if (!pieces.list.empty() && pieces.list.size() * 2 == numbers.size() && pieces.inputs <= inputs) {
    return pieces;
  }
  return Status(StatusCode::kInvalidArgument,
                "pieces " + to_string(numbers) + " of " + std::to_string(inputs) + " inputs");
}

Result<SymbolicShape> infer_embedding_rows(const InferContext& c, const EmbeddingPieces& pieces) {
  SymbolicShape shape(2);
  for (const EmbeddingPiece& piece : pieces.list) {
    if (c.rank(piece.data) != 2 || !is_floating(c.dtype(piece.data))) {
      return c.error("a piece of shape " + ir::to_string(c.shape(piece.data)));
    }
    Dim rows = c.shape(piece.data)[0];
    Dim columns = c.shape(piece.data)[1];
    if (piece.is_lookup()) {
      PENSTOCK_RETURN_IF_ERROR(check_lookup(c, piece));
      rows = c.shape(piece.indices)[0];
      columns = columns * lookups_of(piece, c.shape(piece.indices));
    }
    const bool first = &piece == &pieces.list.front();
    const std::optional<Dim> both = first ? rows : unify(shape[0], rows);
    if (!both) return c.error("pieces of several numbers of rows");
    shape[0] = *both;
    shape[1] = first ? columns : shape[1] + columns;
  }
  return shape;
}

Result<std::vector<double>> read_embedding_rows(const EmbeddingPieces& pieces, const KernelRun& run,
                                                Shape& shape) {
  std::vector<RowReader> readers;
  shape = {0, 0};
  for (const EmbeddingPiece& piece : pieces.list) {
    readers.emplace_back(piece, run);
    if (readers.size() > 1 && readers.back().rows(run) != shape[0]) {
      return Status(StatusCode::kInvalidArgument, "pieces of several numbers of rows");
    }
    shape[0] = readers.back().rows(run);
    shape[1] += readers.back().columns();
  }
  std::vector<double> rows(static_cast<size_t>(shape[0] * shape[1]));
  double* to = rows.data();
  for (int64_t row = 0; row < shape[0]; ++row) {
    for (const RowReader& reader : readers) {
      PENSTOCK_RETURN_IF_ERROR(reader.read(row, to));
      to += reader.columns();
    }
  }
  return rows;
}

const OpDefinition& embedding_concat_op() {
  static const OpDefinition kOp = {.name = "EmbeddingConcat",
                                   .min_inputs = 1,
                                   .max_inputs = -1,
                                   .infer = infer_embedding_concat,
                                   .reference = run_embedding_concat};
  return kOp;
}

}  // namespace penstock::ops
