import CLibCurl
package import Foundation

extension HTTPResponse {
    /// The response's Retry-After in seconds from `now`, as a number or a date; 0 for a date that is past, nil when
    /// there is none or it says nothing.
    package func retryAfterSeconds(now: Date) -> Double? {
        guard let wish = header("Retry-After") else { return nil }
        if wish.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) { return Double(wish) }
        let date = unsafe curl_getdate(wish, nil)
        return date == -1 ? nil : max(0, Double(date) - now.timeIntervalSince1970)
    }
}
