// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Instructions of compute capability 9.0: matrix products, barriers in shared memory, and stores and
// copies that tell a barrier of their bytes. Addresses are those of shared memory. Code for earlier
// devices does nothing.
#pragma once

#include <cstring>

#include "backends/cuda/device_types.cuh"

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
#define PENSTOCK_SM90(...) asm volatile(__VA_ARGS__)
#else
#define PENSTOCK_SM90(...) (void)0
#endif

namespace penstock::ops {

__device__ inline uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

// --- Clusters

__device__ inline int rank_in_cluster() {
  uint32_t rank = 0;
  PENSTOCK_SM90("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return static_cast<int>(rank);
}

// The same place in the memory of another block.
__device__ inline uint32_t in_block(uint32_t address, int rank) {
  uint32_t there = address;
  PENSTOCK_SM90("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(address), "r"(rank));
  return there;
}

// All threads of a cluster meet. Nothing that was stored is published by this.
__device__ inline void arrive_in_cluster() {
  PENSTOCK_SM90("barrier.cluster.arrive.relaxed.aligned;" ::: "memory");
}
__device__ inline void wait_in_cluster() {
  PENSTOCK_SM90("barrier.cluster.wait.acquire.aligned;" ::: "memory");
}

// --- Barriers: a phase is over when so many have arrived, and the expected bytes have.

__device__ inline void make_barrier(uint32_t barrier, int count) {
  PENSTOCK_SM90("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(count) : "memory");
}
// To the copies, and to the other blocks once they have met.
__device__ inline void publish_barriers() {
  PENSTOCK_SM90("fence.mbarrier_init.release.cluster;" ::: "memory");
  PENSTOCK_SM90("fence.proxy.async.shared::cta;" ::: "memory");
}
__device__ inline void arrive(uint32_t barrier) {
  PENSTOCK_SM90("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}
__device__ inline void arrive_and_expect(uint32_t barrier, uint32_t bytes) {
  PENSTOCK_SM90("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
                : "memory");
}
__device__ inline void wait_for(uint32_t barrier, uint32_t parity) {
  uint32_t done = 1;
  do {
    PENSTOCK_SM90(
        "{\n.reg .pred p;\n"
        "mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 p, [%1], %2;\n"
        "selp.u32 %0, 1, 0, p;\n}"
        : "=r"(done)
        : "r"(barrier), "r"(parity)
        : "memory");
  } while (done == 0);
}

// --- Memory

// From global memory, in the background; `bytes` is a multiple of 16.
__device__ inline void copy_bulk(uint32_t to, const void* from, uint32_t bytes, uint32_t barrier) {
  PENSTOCK_SM90(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
          "r"(to),
      "l"(from), "r"(bytes), "r"(barrier)
      : "memory");
}
// Into the memory of another block, whose barrier is told.
__device__ inline void send_16(uint32_t to, const uint4& value, uint32_t barrier) {
  PENSTOCK_SM90(
      "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v4.b32 [%0], {%1,%2,%3,%4}, "
      "[%5];" ::"r"(to),
      "r"(value.x), "r"(value.y), "r"(value.z), "r"(value.w), "r"(barrier)
      : "memory");
}
__device__ inline void store_16(uint32_t to, const uint4& value) {
  asm volatile("st.shared.v4.b32 [%0], {%1,%2,%3,%4};" ::"r"(to), "r"(value.x), "r"(value.y),
               "r"(value.z), "r"(value.w)
               : "memory");
}
__device__ inline void store_4(uint32_t to, uint32_t value) {
  asm volatile("st.shared.b32 [%0], %1;" ::"r"(to), "r"(value) : "memory");
}
__device__ inline void store_2(uint32_t to, uint16_t value) {
  asm volatile("st.shared.b16 [%0], %1;" ::"r"(to), "h"(value) : "memory");
}
__device__ inline uint4 load_16(uint32_t from) {
  uint4 value;
  asm volatile("ld.shared.v4.b32 {%0,%1,%2,%3}, [%4];"
               : "=r"(value.x), "=r"(value.y), "=r"(value.z), "=r"(value.w)
               : "r"(from)
               : "memory");
  return value;
}
__device__ inline float load_float_shared(uint32_t from) {
  float value;
  asm volatile("ld.shared.f32 %0, [%1];" : "=f"(value) : "r"(from) : "memory");
  return value;
}

// --- Matrix products

// Registers of mma.m16n8k16 as the PTX ISA describes them: lane t holds, of the result, columns
// 2 (t mod 4) and the next, of rows t / 4 and 8 more.
struct Accumulator {
  float at[4] = {};
};

template <typename T>
__device__ void multiply(Accumulator& c, const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  if constexpr (std::is_same_v<T, __half>) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+f"(c.at[0]), "+f"(c.at[1]), "+f"(c.at[2]), "+f"(c.at[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  } else {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c.at[0]), "+f"(c.at[1]), "+f"(c.at[2]), "+f"(c.at[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
}

__device__ inline void load_matrices(uint32_t (&r)[4], uint32_t row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row)
               : "memory");
}

template <typename T>
__device__ uint32_t pack(float low, float high) {
  const T pair[2] = {backends::cuda::from_float<T>(low), backends::cuda::from_float<T>(high)};
  uint32_t bits;
  memcpy(&bits, pair, sizeof(bits));
  return bits;
}

}  // namespace penstock::ops
