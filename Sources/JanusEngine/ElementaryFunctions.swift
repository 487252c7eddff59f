/// Logarithm and exponential from additions, multiplications and divisions alone. A libm's differ by machine and
/// version; these give the same bits everywhere. Relative error below 1e-13, far finer than the logits.
package enum ElementaryFunctions {
    private static let ln2 = 0.693_147_180_559_945_3
    private static let squareRoot2 = 1.414_213_562_373_095_1

    /// Natural logarithm of a positive, normal, finite number.
    package static func log(_ x: Double) -> Double {
        var exponent = Double(x.exponent)
        var mantissa = x.significand
        if mantissa > squareRoot2 {
            mantissa /= 2
            exponent += 1
        }
        // log m = 2 artanh s, s = (m − 1)/(m + 1), |s| < 0.172
        let s = (mantissa - 1) / (mantissa + 1)
        let square = s * s
        var sum = 1.0 / 19
        for odd in [17.0, 15, 13, 11, 9, 7, 5, 3, 1] { sum = sum * square + 1 / odd }
        return exponent * ln2 + 2 * s * sum
    }

    /// e to a power of at most 0; 0 where that is below the normal numbers.
    package static func exp(_ x: Double) -> Double {
        guard x > -708 else { return 0 }
        let exponent = (x / ln2).rounded()
        let rest = x - exponent * ln2
        // Taylor's series, |rest| ≤ 0.347
        var sum = 1.0
        for term in [14.0, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1] { sum = 1 + sum * rest / term }
        return sum * Double(sign: .plus, exponent: Int(exponent), significand: 1)
    }
}
