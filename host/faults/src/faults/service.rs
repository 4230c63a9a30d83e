//! The customer service: a host that is killed while readers and another system write to either store,
//! and a database that is stopped and killed under it.

use std::time::Duration;

use anyhow::Result;
use tokio::sync::watch;

use super::{Outcome, Play};
use crate::bank::{Bank, Kept};
use crate::daemon::{Daemon, LIMIT, lock, until};
use crate::oracle::Verdict;

const CUSTOMERS: u32 = 40;
/// Systems that write at once.
const WRITERS: usize = 4;

/// kill -9 on the embedded store.
pub(super) async fn killed(play: Play) -> Result<Outcome> {
    kill(play, Kept::Embedded).await
}

/// kill -9 of the host, whose store is a database.
pub(super) async fn killed_on_postgres(play: Play) -> Result<Outcome> {
    kill(play, Kept::Postgres).await
}

async fn kill(mut play: Play, kept: Kept) -> Result<Outcome> {
    let bank = Bank::open(&play.binary, kept, CUSTOMERS).await?;
    let mut verdict = Verdict::default();
    for _ in 0..play.trials {
        bank.stir(&mut play.dice)?;
        let mut daemon = Daemon::spawn(&bank.launch())?;
        if play.dice.below(4) == 0 {
            // In the middle of starting.
            tokio::time::sleep(play.dice.millis(0, 80)).await;
            daemon.kill().await?;
            continue;
        }
        let http = daemon.serving().await?;
        let (_keep, stop) = watch::channel(false);
        let writers = (0..WRITERS).map(|_| bank.write(http, play.dice.fork(), stop.clone()));
        let writers = join(writers.collect());
        let after = play.dice.millis(20, 400);
        let end = async {
            tokio::time::sleep(after).await;
            daemon.kill().await
        };
        let (_, killed) = tokio::join!(writers, end);
        killed?;
        for panic in &daemon.log().panics {
            verdict.wrong(format!("panic: {panic}"));
        }
    }
    let mut daemon = Daemon::start(&bank.launch()).await?;
    let http = daemon.serving().await?;
    verdict.detail(format!("{} kills, {} answers", play.trials, lock(&bank.book).answers));
    verdict.add(bank.judge(http).await?);
    verdict.add(std::mem::take(&mut lock(&bank.book).findings));
    daemon.terminate().await?;
    Ok(Outcome::Played(verdict))
}

/// The database is stopped, killed and started again while everything writes to it.
pub(super) async fn database(mut play: Play) -> Result<Outcome> {
    let mut bank = Bank::open(&play.binary, Kept::Postgres, CUSTOMERS).await?;
    let mut verdict = Verdict::default();
    let mut daemon = Daemon::start(&bank.launch()).await?;
    let http = daemon.serving().await?;
    let Some(mut cluster) = bank.cluster.take() else { anyhow::bail!("the bank has no database") };
    let (end, stop) = watch::channel(false);
    let mut slowest = Duration::ZERO;
    let faults = async {
        for trial in 0..play.trials {
            bank.stir(&mut play.dice)?;
            tokio::time::sleep(play.dice.millis(100, 400)).await;
            let away = play.dice.millis(0, 300);
            cluster = tokio::task::spawn_blocking(move || {
                if trial % 2 == 0 {
                    cluster.stop()
                } else {
                    cluster.kill()
                }
                std::thread::sleep(away);
                cluster.start_again();
                cluster
            })
            .await?;
            let begin = std::time::Instant::now();
            until("the customers to be there again", LIMIT, async || {
                let before = lock(&bank.book).acknowledgements();
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok((lock(&bank.book).acknowledgements() > before).then_some(()))
            })
            .await?;
            slowest = slowest.max(begin.elapsed());
        }
        end.send_replace(true);
        anyhow::Ok(cluster)
    };
    let writers =
        (0..WRITERS).map(|number| bank.write(http, crate::dice::Dice::new(number as u64), stop.clone()));
    let (_, cluster) = tokio::join!(join(writers.collect()), faults);
    let cluster = cluster?;
    verdict.expect(slowest < Duration::from_secs(10), || format!("there again only after {slowest:?}"));
    let (answers, not_now) = {
        let book = lock(&bank.book);
        (book.answers, book.not_now)
    };
    verdict.detail(format!(
        "{} times away; {answers} answers, {not_now} of them \"not now\"; there again within {} ms",
        play.trials,
        slowest.as_millis()
    ));
    verdict.add(bank.judge(http).await?);
    verdict.add(std::mem::take(&mut lock(&bank.book).findings));
    for panic in &daemon.log().panics {
        verdict.wrong(format!("panic: {panic}"));
    }
    daemon.terminate().await?;
    drop(cluster);
    Ok(Outcome::Played(verdict))
}

/// All of them, side by side.
async fn join(futures: Vec<impl Future<Output = ()>>) {
    let mut pinned: Vec<_> = futures.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|context| {
        pinned.retain_mut(|future| future.as_mut().poll(context).is_pending());
        if pinned.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}
