// Which processors this build is for, and how a part of a file is compiled for one of them.
//
// A multiversioned file includes every header first, then opens a target region with
// TFHASH_TARGET_BEGIN_..., defines its functions and closes it with TFHASH_TARGET_END. A header
// inside the region would leave inline functions compiled for that target to the whole program.
#pragma once

#if defined(__x86_64__) || defined(_M_X64)
#define TFHASH_X86 1
#elif defined(__aarch64__) || defined(_M_ARM64)
#define TFHASH_NEON 1
#endif

// GCC before 14 warns of the undefined values in its own AVX-512 header. This comes before the header.
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 14
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#if TFHASH_X86
#if defined(__clang__)
#define TFHASH_TARGET_BEGIN_AVX2                                                          \
  _Pragma(                                                                                \
      "clang attribute push(__attribute__((target(\"avx2,bmi,bmi2,popcnt\"))), apply_to=function)")
#define TFHASH_TARGET_BEGIN_AVX512                                                                \
  _Pragma(                                                                                        \
      "clang attribute push(__attribute__((target(\"avx2,bmi,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq\"))), apply_to=function)")
#define TFHASH_TARGET_END _Pragma("clang attribute pop")
#elif defined(__GNUC__)
#define TFHASH_TARGET_BEGIN_AVX2 \
  _Pragma("GCC push_options") _Pragma("GCC target(\"avx2,bmi,bmi2,popcnt\")")
#define TFHASH_TARGET_BEGIN_AVX512 \
  _Pragma("GCC push_options")      \
      _Pragma("GCC target(\"avx2,bmi,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq\")")
#define TFHASH_TARGET_END _Pragma("GCC pop_options")
#else  // MSVC compiles any intrinsic without being told the target.
#define TFHASH_TARGET_BEGIN_AVX2
#define TFHASH_TARGET_BEGIN_AVX512
#define TFHASH_TARGET_END
#endif
#endif  // TFHASH_X86
