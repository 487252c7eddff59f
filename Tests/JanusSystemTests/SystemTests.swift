import Foundation
import JanusSystem
import Testing

@Suite struct SystemTests {
    @Test("an error number reads as the system calls it, also one that it does not know")
    func errorNumbers() {
        #expect(String(errno: ENOENT) == "No such file or directory")
        #expect(String(errno: 99_999).contains("99999"))
    }

    @Test("C strings arrive whole, a missing one is NULL, and a NULL ends them")
    func cStrings() {
        let seen = unsafe withCStrings([Data("aé".utf8), nil, Data(), Data([1, 2, 3])]) { pointers in
            (0..<5).map { index in unsafe pointers[index].map { unsafe Array(String(cString: $0).utf8) } }
        }
        #expect(seen == [Array("aé".utf8), nil, [], [1, 2, 3], nil])
    }
}
