import JanusJob
import Testing

@Suite struct JobStateTests {
    @Test("only queued and running jobs are unfinished")
    func finishedStates() {
        #expect(JobState.allCases.filter { !$0.isFinished } == [.queued, .running])
    }
}
