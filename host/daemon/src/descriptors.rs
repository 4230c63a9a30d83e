//! How many files and connections this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Takes as many as the machine allows. The lower limit that programs begin with is there for those that
/// wait by `select`, which can count no further.
pub(crate) fn raise() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) =
            setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
    {
        tracing::warn!(%error, "the limit on open files stays as it is");
    }
}

/// How many connections may be served when so many are wanted: half of what this process may open at most,
/// so that files and readers always get theirs.
pub(crate) fn connections(wanted: usize) -> usize {
    within(wanted, getrlimit(Resource::Nofile).current)
}

fn within(wanted: usize, descriptors: Option<u64>) -> usize {
    let half = descriptors.and_then(|descriptors| usize::try_from(descriptors / 2).ok());
    half.map_or(wanted, |half| wanted.min(half).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_half_of_the_descriptors_to_files_and_readers() {
        let of = |descriptors| within(1024, Some(descriptors));
        assert_eq!([of(64), of(1024), of(1), of(524_288)], [32, 512, 1, 1024]);
        assert_eq!(within(1024, None), 1024);
    }
}
