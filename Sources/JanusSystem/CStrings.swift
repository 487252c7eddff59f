/// Calls `body` with a NULL-terminated array of C strings, copies that live as long as the call; nil is a NULL among them.
package func withCStrings<Bytes: Collection<UInt8>, Value>(
    _ strings: [Bytes?], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Value
) -> Value {
    let copies = unsafe strings.map { string -> UnsafePointer<CChar>? in
        guard let string else { return nil }
        let copy = UnsafeMutablePointer<CChar>.allocate(capacity: string.count + 1)
        unsafe UnsafeMutableRawBufferPointer(start: copy, count: string.count).copyBytes(from: string)
        unsafe copy[string.count] = 0
        return unsafe UnsafePointer(copy)
    }
    defer { unsafe copies.forEach { unsafe $0?.deallocate() } }
    return unsafe (copies + [nil]).withUnsafeBufferPointer { buffer in
        // the array has at least its terminator
        unsafe body(buffer.baseAddress.unsafelyUnwrapped)
    }
}

package func withCStrings<Value>(_ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Value) -> Value
{
    unsafe withCStrings(strings.map { Optional($0.utf8) }, body)
}
