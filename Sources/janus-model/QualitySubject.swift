import JanusJob
import JanusModel
import JanusTensor

/// A model that is measured, as one precision and one format of keys and values.
struct QualitySubject {
    /// For errors and tables.
    var name: String
    var model: JanusModel
    /// nil: as the model keeps them by itself.
    var keyValueFormat: KeyValueFormat?

    /// What errors call a part of its work.
    func stage(_ what: String) -> String {
        name + (keyValueFormat.map { ", keys and values in \($0.rawValue)" } ?? "") + ": " + what
    }
}

/// What a measurement cannot be made of: a number would hide it.
enum QualityError: Error, CustomStringConvertible {
    case notFinite(stage: String, found: Float)
    case noToken(stage: String)
    case empty(stage: String)
    case otherShape(stage: String, found: [Int], expected: [Int])

    var description: String {
        switch self {
        case .notFinite(let stage, let found): "\(stage): a value is \(found)"
        case .noToken(let stage): "\(stage): no token can be drawn"
        case .empty(let stage): "\(stage): there is nothing to compare"
        case .otherShape(let stage, let found, let expected): "\(stage): \(found) values instead of \(expected)"
        }
    }
}

extension Matrix {
    /// Itself.
    /// - Throws: `QualityError` where a value is NaN or infinite, or there is none.
    func finite(_ stage: String) throws(QualityError) -> Matrix {
        let values = array()
        guard !values.isEmpty else { throw .empty(stage: stage) }
        if let found = values.first(where: { !$0.isFinite }) { throw .notFinite(stage: stage, found: found) }
        return self
    }
}
