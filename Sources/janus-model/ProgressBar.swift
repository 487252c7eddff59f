import Foundation
import JanusEngine
import JanusJob

/// One line on standard error that shows how far a command is; nothing where that is no terminal.
final class ProgressBar {
    private static let width = 32
    private static let interval = Duration.milliseconds(100)
    private let isShown: Bool
    private var lastTime: ContinuousClock.Instant?
    private var drawingStart: (time: ContinuousClock.Instant, steps: Int)?

    init(quiet: Bool) { isShown = !quiet && isatty(STDERR_FILENO) == 1 }

    /// - Parameter fraction: from 0 to 1.
    func show(_ label: String, _ fraction: Double, note: String = "") {
        guard isShown else { return }
        let now = ContinuousClock.now
        if let lastTime, now - lastTime < Self.interval, fraction < 1 { return }
        lastTime = now
        let filled = Int(max(0, min(1, fraction)) * Double(Self.width))
        let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: Self.width - filled)
        write(
            "\r\(label.padding(toLength: 10, withPad: " ", startingAt: 0)) \(bar) \(Int(fraction * 100)) % \(note)\u{1B}[K"
        )
    }

    /// For an engine's observer: never asks it to stop.
    func observe(_ progress: JobProgress) -> Bool {
        var note = ""
        if progress.phase == .drawing {
            let start = drawingStart ?? (.now, progress.stepsDone)
            drawingStart = start
            let seconds = (ContinuousClock.now - start.time) / .seconds(1)
            let steps = progress.stepsDone - start.steps
            if steps > 0, seconds > 0 {
                note = String(format: "%.1f steps/s", Double(steps) / seconds)
            }
        }
        show(progress.phase.rawValue, Double(progress.stepsDone) / Double(progress.stepsTotal), note: note)
        return true
    }

    /// Removes the line, before other output.
    func clear() {
        if isShown { write("\r\u{1B}[K") }
    }

    private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
