use std::fmt;
use std::future::Future;
use std::time::Duration;

/// No case may take longer; a driver that hangs fails instead of hanging the suite.
const CASE_LIMIT: Duration = Duration::from_secs(60);

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As the contract says.
    Passed,
    /// Not as the contract says, for this reason.
    Failed(String),
    /// Not run, for this reason.
    Skipped(String),
}

/// How all cases ended.
#[derive(Clone, Debug, Default)]
pub struct Report {
    cases: Vec<(&'static str, Outcome)>,
}

/// What a case returns: `Ok(None)` passed, `Ok(Some(reason))` skipped, `Err(reason)` failed.
pub(crate) type Verdict = Result<Option<&'static str>, String>;

impl Report {
    pub(crate) async fn run(&mut self, name: &'static str, case: impl Future<Output = Verdict>) {
        let outcome = match tokio::time::timeout(CASE_LIMIT, case).await {
            Ok(Ok(None)) => Outcome::Passed,
            Ok(Ok(Some(reason))) => Outcome::Skipped(reason.to_owned()),
            Ok(Err(reason)) => Outcome::Failed(reason),
            Err(_) => Outcome::Failed(format!("not done within {} s", CASE_LIMIT.as_secs())),
        };
        self.cases.push((name, outcome));
    }

    /// All cases in the order in which they ran.
    pub fn cases(&self) -> &[(&'static str, Outcome)] {
        &self.cases
    }

    /// Prints the report.
    ///
    /// # Panics
    /// If a case failed, or if not exactly `skips` cases were skipped.
    #[expect(clippy::panic, reason = "this is an assertion for tests")]
    pub fn assert_passed(&self, skips: usize) {
        println!("{self}");
        let failed = self.cases.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Failed(_))).count();
        let skipped = self.cases.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Skipped(_))).count();
        if failed > 0 || skipped != skips {
            panic!("{failed} cases failed; {skipped} were skipped where {skips} were expected:\n{self}");
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, outcome) in &self.cases {
            match outcome {
                Outcome::Passed => writeln!(f, "pass  {name}")?,
                Outcome::Failed(reason) => writeln!(f, "FAIL  {name}: {reason}")?,
                Outcome::Skipped(reason) => writeln!(f, "skip  {name}: {reason}")?,
            }
        }
        Ok(())
    }
}
