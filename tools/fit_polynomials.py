# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Fits the polynomials of math.h: python3 tools/fit_polynomials.py (needs mpmath).

Weighted minimax by Lawson's reweighted least squares (C. L. Lawson, 1961) in 60 digits. Each
coefficient is rounded to float32 from the constant term up, and the higher ones are fitted again
around it, so that the rounding of the low coefficients costs nothing.
"""
from mpmath import mp, mpf, matrix, lu_solve, exp, expm1, log, log1p, erf, erfc, cos, pi, sqrt
import struct

mp.dps = 60


def to_float(x):
    return mpf(struct.unpack("f", struct.pack("f", float(x)))[0])


def minimax(f, weight, lo, hi, powers, rounds=8, grid=160):
    pts = [(lo + hi) / 2 - (hi - lo) / 2 * cos(pi * (k + mpf(1) / 2) / grid) for k in range(grid)]
    values, weights = [f(x) for x in pts], [weight(x) for x in pts]
    basis = [[x**p for p in powers] for x in pts]
    lawson = [mpf(1)] * grid
    best = None
    for _ in range(rounds):
        n = len(powers)
        a, b = matrix(n, n), matrix(n, 1)
        for row, v, w, q in zip(basis, values, weights, lawson):
            for i in range(n):
                b[i] += q * w * w * row[i] * v
                for j in range(n):
                    a[i, j] += q * w * w * row[i] * row[j]
        sol = lu_solve(a, b)
        errs = [abs(w * (v - sum(s * r for s, r in zip(sol, row))))
                for row, v, w in zip(basis, values, weights)]
        if best is None or max(errs) < best[1]:
            best = (list(sol), max(errs))
        lawson = [q * e / max(errs) for q, e in zip(lawson, errs)]
    return best


def fit(name, f, weight, lo, hi, degree):
    fixed = []
    for k in range(degree + 1):
        rest = lambda x: f(x) - sum(c * x**p for p, c in enumerate(fixed))
        coeffs, err = minimax(rest, weight, mpf(lo), mpf(hi), list(range(k, degree + 1)))
        if k == 0:
            first = err
        fixed.append(to_float(coeffs[0]))
    print(f"// {name}: degree {degree}, relative error {mp.nstr(first, 2)} before rounding, "
          f"{mp.nstr(err, 2)} of the last step")
    print("  ", ", ".join(mp.nstr(c, 9) + "f" for c in fixed))


half_ln2 = log(mpf(2)) / 2 * mpf("1.001")
fit("exp", lambda r: (expm1(r) - r) / r**2, lambda r: r**2 / abs(expm1(r)), -half_ln2, half_ln2, 4)
s = mpf("1e-4")
fit("log", lambda t: (log1p(t) - t + t * t / 2) / t**3, lambda t: abs(t**3 / log1p(t)),
    sqrt(mpf(1) / 2) - 1 - s, sqrt(mpf(2)) - 1 + s, 7)
fit("log", lambda t: (log1p(t) - t + t * t / 2) / t**3, lambda t: abs(t**3 / log1p(t)),
    sqrt(mpf(1) / 2) - 1 - s, sqrt(mpf(2)) - 1 + s, 8)
fit("log1p_unit", lambda z: log1p(z) / z, lambda z: z / log1p(z), 0, 1, 9)
for d in (7, 8, 9):
    fit("erf", lambda x: -log(erfc(x)) / x, lambda x: x * erfc(x) / erf(x), mpf("1e-6"), mpf("4"), d)
