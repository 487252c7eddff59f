import JanusTensor

extension Table {
    /// Rows of this table, [ids, columns].
    /// - Throws: `ModelError.tokenOutOfRange`: ids come from a tokenizer, which may be of another model.
    func lookUp(_ ids: [Int32], table: String) throws(ModelError) -> Matrix {
        for id in ids where id < 0 || Int(id) >= rows {
            throw .tokenOutOfRange(id: Int(id), count: rows, table: table)
        }
        let out = Matrix(rows: ids.count, columns: columns)
        for (index, id) in ids.enumerated() { copy(row: Int(id), to: out[index..<index + 1]) }
        return out
    }
}
