import JanusTensor

extension EmbeddingRows {
    /// Rows of this table, [ids, columns].
    /// - Throws: `ModelError.tokenOutOfRange`: ids come from a tokenizer, which may be of another model.
    func lookUp(_ ids: [Int32], table: String) throws(ModelError) -> Matrix {
        let out = Matrix(rows: ids.count, columns: columns)
        try lookUp(ids, table: table, into: out)
        return out
    }

    /// As `lookUp(_:table:)`, into a matrix of those sides.
    func lookUp(_ ids: [Int32], table: String, into out: Matrix) throws(ModelError) {
        for id in ids where id < 0 || Int(id) >= rows {
            throw .tokenOutOfRange(id: Int(id), count: rows, table: table)
        }
        precondition(out.rows == ids.count && out.columns == columns, "\(ids.count) rows for \(out.rows)")
        for (index, id) in ids.enumerated() { copy(row: Int(id), to: out[index..<index + 1]) }
    }
}
