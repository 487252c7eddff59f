import Glibc

extension String {
    /// What the system calls an error number, as in "No such file or directory".
    package init(errno number: Int32) {
        self = unsafe strerror(number).map { unsafe String(cString: $0) } ?? "error \(number)"
    }
}
