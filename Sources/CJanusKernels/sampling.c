// What drawing a token needs over a whole vocabulary.
#include "kernel.h"

JANUS_KERNEL size_t janus_greatest(const float *x, size_t n) {
    float maxima[lanes];
    uint32_t strange[lanes] = {0};
    for (int j = 0; j < lanes; j++) maxima[j] = -__builtin_inff();
    size_t whole = n - n % lanes;
    for (size_t i = 0; i < whole; i += lanes)
        for (int j = 0; j < lanes; j++) {
            float value = x[i + (size_t)j];
            maxima[j] = value > maxima[j] ? value : maxima[j];
            strange[j] |= value != value;
        }
    for (size_t i = whole; i < n; i++) {
        maxima[i - whole] = x[i] > maxima[i - whole] ? x[i] : maxima[i - whole];
        strange[i - whole] |= x[i] != x[i];
    }
    for (int j = 1; j < lanes; j++) {
        maxima[0] = maxima[j] > maxima[0] ? maxima[j] : maxima[0];
        strange[0] |= strange[j];
    }
    if (strange[0]) return n;
    for (size_t i = 0; i < n; i++)
        if (x[i] == maxima[0]) return i;
    return n;
}

JANUS_KERNEL void janus_guide(const float *conditional, const float *unconditional, float weight, float *out,
                              size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = unconditional[i] + weight * (conditional[i] - unconditional[i]);
}

// The sum of e^((x − greatest) / temperature) in 16 lanes, a fixed tree.
JANUS_INLINE double weights_sum(const float *x, size_t n, float greatest, float temperature) {
    double sums[lanes] = {0};
    size_t whole = n - n % lanes;
    for (size_t i = 0; i < whole; i += lanes)
        for (int j = 0; j < lanes; j++) sums[j] += (double)exp_f32((x[i + (size_t)j] - greatest) / temperature);
    for (size_t i = whole; i < n; i++) sums[i - whole] += (double)exp_f32((x[i] - greatest) / temperature);
    for (int w = lanes / 2; w > 0; w /= 2)
        for (int j = 0; j < w; j++) sums[j] += sums[j + w];
    return sums[0];
}

// Moves a value down until nothing below it is greater.
JANUS_INLINE void sift(float *heap, size_t n, size_t at) {
    float value = heap[at];
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && heap[child + 1] > heap[child]) child++;
        if (!(heap[child] > value)) break;
        heap[at] = heap[child];
    }
    heap[at] = value;
}

// The greatest leave a heap one after the other until enough have.
JANUS_KERNEL float janus_floor(const float *x, size_t n, float greatest, float temperature, size_t top_k, float top_p,
                               float *heap) {
    double goal = top_p < 1.0f ? weights_sum(x, n, greatest, temperature) * (double)top_p : __builtin_inf(), sum = 0;
    memcpy(heap, x, n * sizeof *heap);
    for (size_t at = n / 2; at-- > 0;) sift(heap, n, at);
    for (size_t left = n; left > 0;) {
        float value = heap[0];
        sum += (double)exp_f32((value - greatest) / temperature);
        if (sum >= goal || n - left + 1 == top_k) return value;
        heap[0] = heap[--left];
        sift(heap, left, 0);
    }
    return -__builtin_inff();
}

enum { blocks_at_once = 16, tokens_at_once = 4 * blocks_at_once };

// Philox4x32-10 of 16 counters that differ in their first word.
JANUS_INLINE void philox(uint32_t first, const uint32_t *counter, const uint32_t *key, uint32_t *words) {
    uint32_t x[4][blocks_at_once], k0 = key[0], k1 = key[1];
    for (uint32_t i = 0; i < blocks_at_once; i++) {
        x[0][i] = first + i;
        for (int j = 1; j < 4; j++) x[j][i] = counter[j - 1];
    }
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < blocks_at_once; i++) {
            uint64_t a = (uint64_t)x[0][i] * 0xD2511F53u, b = (uint64_t)x[2][i] * 0xCD9E8D57u;
            x[0][i] = (uint32_t)(b >> 32) ^ x[1][i] ^ k0;
            x[1][i] = (uint32_t)b;
            x[2][i] = (uint32_t)(a >> 32) ^ x[3][i] ^ k1;
            x[3][i] = (uint32_t)a;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (int i = 0; i < blocks_at_once; i++)
        for (int j = 0; j < 4; j++) words[4 * i + j] = x[j][i];
}

JANUS_KERNEL size_t janus_gumbel_candidates(const float *x, size_t first, size_t count, float floor,
                                            double temperature, double least, const uint32_t *counter,
                                            const uint32_t *key, struct janus_candidate *candidates) {
    size_t found = 0;
    for (size_t start = 0; start < count; start += tokens_at_once) {
        uint32_t words[tokens_at_once];
        uint8_t reaches[tokens_at_once];
        philox((uint32_t)((first + start) / 4), counter, key, words);
        size_t length = count - start < tokens_at_once ? count - start : tokens_at_once;
        const float *own = x + first + start;
        uint8_t any = 0;
        for (size_t i = 0; i < length; i++) {
            // never less than the noise: −log(−log u) ≤ −log(1 − u), and 1 − u ≥ 2^−(1 + the word's leading ones)
            uint32_t rest = ~words[i];
            double bound = (double)(1 + (rest ? __builtin_clz(rest) : 32)) * 0.693147181;
            reaches[i] = own[i] >= floor && (double)own[i] / temperature + bound >= least;
            any |= reaches[i];
        }
        if (!any) continue;
        for (size_t i = 0; i < length; i++)
            if (reaches[i]) candidates[found++] = (struct janus_candidate){(uint32_t)(first + start + i), words[i]};
    }
    return found;
}
