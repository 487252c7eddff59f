// OpenBLAS, as far as the f32 path needs it.
//
// Debian 12's OpenBLAS 0.3.21 takes new AMD cores for Haswell and runs at half speed: a program sets OPENBLAS_CORETYPE
// (SkylakeX or Cooperlake where the CPU has AVX-512) before exec, since the library reads it when it is loaded.
#pragma once
#include <cblas.h>

/// out[m][n] = accumulate·out + x[m][k] · w[n][k]ᵀ, all row-major with their strides.
static inline void janus_sgemm_by_transposed(int m, int n, int k, const float *_Nonnull x, int x_stride,
                                             const float *_Nonnull w, int w_stride, float accumulate,
                                             float *_Nonnull out, int out_stride) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1, x, x_stride, w, w_stride, accumulate, out,
                out_stride);
}

/// out[m][n] = x[m][k] · w[k][n], all row-major with their strides.
static inline void janus_sgemm(int m, int n, int k, const float *_Nonnull x, int x_stride, const float *_Nonnull w,
                               int w_stride, float *_Nonnull out, int out_stride) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, x, x_stride, w, w_stride, 0, out, out_stride);
}
