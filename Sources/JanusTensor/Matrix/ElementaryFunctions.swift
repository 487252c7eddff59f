/// Elementary functions in f64 without libm, whose variants differ by machine: the same bits everywhere, within 2 ulp.
package enum ElementaryFunctions {
    private static let ln2 = 0.693147180559945309417232
    private static let ln2High = 6.93147180369123816490e-01
    private static let ln2Low = 1.90821492927058770002e-10

    /// e^x. Beyond the range of f64: infinity or 0.
    package static func exp(_ x: Double) -> Double {
        if x.isNaN { return x }
        if x > 709.78 { return .infinity }
        if x < -745.13 { return 0 }
        let n = (x / ln2).rounded()
        let r = (x - n * ln2High) - n * ln2Low
        var sum = 1.0
        for k in stride(from: 14.0, through: 1.0, by: -1.0) { sum = 1 + r / k * sum }
        // Two factors: 2^n itself may lie outside the normal numbers.
        let half = (n / 2).rounded(.down)
        return sum * power2(Int(half)) * power2(Int(n - half))
    }

    private static func power2(_ n: Int) -> Double { Double(sign: .plus, exponent: n, significand: 1) }

    /// Natural logarithm; of 0 −infinity, of less NaN.
    package static func log(_ x: Double) -> Double {
        if x.isNaN || x < 0 { return .nan }
        if x == 0 { return -.infinity }
        if x == .infinity { return x }
        var exponent = Double(x.exponent)
        var m = x.significand
        if m > 1.4142135623730951 {
            m /= 2
            exponent += 1
        }
        // ln m = 2 artanh s, s = (m − 1) / (m + 1), |s| ≤ 0.172
        let s = (m - 1) / (m + 1)
        let square = s * s
        var sum = 0.0
        for k in stride(from: 23.0, through: 3.0, by: -2.0) { sum = square * (1 / k + sum) }
        return exponent * ln2High + (exponent * ln2Low + 2 * s * sum + 2 * s)
    }

    /// Cosine and sine, for |x| ≤ 2^20 (angles of positions).
    package static func cosineAndSine(_ x: Double) -> (cosine: Double, sine: Double) {
        let quarter = (x / 1.5707963267948966).rounded()
        // π/2 in three parts of 33 bits: quarter times each of the first two is exact.
        let r =
            ((x - quarter * 1.57079632673412561417) - quarter * 6.07710050630396597660e-11)
            - quarter * 2.02226624879595063154e-21
        let square = r * r
        var cosine = 1.0
        for k in stride(from: 20.0, through: 2.0, by: -2.0) { cosine = 1 - square / (k * (k - 1)) * cosine }
        var sine = 1.0
        for k in stride(from: 19.0, through: 3.0, by: -2.0) { sine = 1 - square / (k * (k - 1)) * sine }
        sine *= r
        switch ((Int(quarter) % 4) + 4) % 4 {
        case 0: return (cosine, sine)
        case 1: return (-sine, cosine)
        case 2: return (-cosine, -sine)
        case 3: return (sine, -cosine)
        default: preconditionFailure("a remainder of 4")
        }
    }
}
