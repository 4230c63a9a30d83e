//! First in, first out, across ends and crashes.

use std::path::Path;

use crate::{Queue, QueueSettings};

async fn open(folder: &Path) -> Queue {
    Queue::open(folder, QueueSettings::default()).await.unwrap()
}

fn texts(records: Vec<(u64, Vec<u8>)>) -> Vec<String> {
    records.into_iter().map(|(_, bytes)| String::from_utf8(bytes).unwrap()).collect()
}

async fn push(queue: &Queue, from: u32, to: u32) {
    queue.push((from..to).map(|n| n.to_string().into_bytes()).collect()).await.unwrap();
}

#[tokio::test]
async fn records_come_in_order_and_stay_until_they_are_done() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path()).await;
    push(&queue, 0, 5).await;
    assert_eq!(texts(queue.peek(2).await.unwrap()), ["0", "1"]);
    let first = queue.peek(3).await.unwrap();
    assert_eq!(texts(first.clone()), ["0", "1", "2"]);
    assert_eq!(texts(queue.peek_after(first[1].0, 2).await.unwrap()), ["2", "3"]);
    queue.done(first[2].0).await.unwrap();
    assert_eq!((queue.len(), texts(queue.peek(9).await.unwrap())), (2, vec!["3".into(), "4".into()]));
    push(&queue, 5, 6).await;
    assert_eq!(texts(queue.peek(9).await.unwrap()), ["3", "4", "5"]);
}

#[tokio::test]
async fn what_is_not_done_is_there_after_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path()).await;
    assert!(Queue::is_there(folder.path()) || queue.is_empty());
    push(&queue, 0, 5).await;
    queue.done(queue.peek(2).await.unwrap()[1].0).await.unwrap();
    queue.close().await;
    queue.close().await;
    assert!(queue.push(vec![vec![1]]).await.is_err());

    let queue = open(folder.path()).await;
    assert_eq!(texts(queue.peek(9).await.unwrap()), ["2", "3", "4"]);
    let last = queue.peek(9).await.unwrap()[2].0;
    queue.done(last).await.unwrap();
    queue.close().await;
    let queue = open(folder.path()).await;
    assert!(queue.is_empty());
    push(&queue, 7, 8).await;
    let again = queue.peek(9).await.unwrap();
    assert!(again[0].0 > last, "a number is not given twice");
}

#[tokio::test]
async fn what_is_done_gives_its_room_back() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path()).await;
    let record = vec![b'x'; 100_000];
    for _ in 0..60 {
        queue.push(vec![record.clone()]).await.unwrap();
        let at = queue.peek(1).await.unwrap()[0].0;
        queue.done(at).await.unwrap();
    }
    queue.close().await;
    assert!(queue.bytes() < 2 * 1024 * 1024 + 200_000, "{} bytes are kept", queue.bytes());
    let queue = open(folder.path()).await;
    assert!(queue.is_empty());
    assert!(queue.bytes() < 2 * 1024 * 1024, "{} bytes are kept", queue.bytes());
}

#[tokio::test]
async fn a_disk_without_room_for_the_mark_gets_room_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path()).await;
    // Where the mark is to be written.
    std::fs::create_dir(folder.path().join("mark.new")).unwrap();
    for number in 0..30 {
        queue.push(vec![vec![number; 100 * 1024]]).await.unwrap();
    }
    let before = queue.bytes();
    assert!(queue.done(25).await.is_err());
    assert!(queue.bytes() < before / 2, "{} of {before} bytes", queue.bytes());
    queue.close().await;

    let queue = open(folder.path()).await;
    let first = queue.peek(1).await.unwrap()[0].0;
    assert!((2..=26).contains(&first), "what is removed does not come again, nor is more gone: {first}");
}

#[tokio::test]
async fn a_full_queue_says_so_and_takes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::open(folder.path(), QueueSettings { most_bytes: 1_000, ..QueueSettings::default() })
        .await
        .unwrap();
    queue.push(vec![vec![1; 800]]).await.unwrap();
    let error = queue.push(vec![vec![2; 100], vec![3; 100]]).await.unwrap_err();
    assert_eq!(error.kind(), rfid_core::ErrorKind::Busy);
    assert_eq!(queue.len(), 1);
    queue.push(vec![vec![4; 10]]).await.unwrap();
}

#[tokio::test]
async fn a_second_process_is_kept_out() {
    let folder = tempfile::tempdir().unwrap();
    let _queue = open(folder.path()).await;
    let error = Queue::open(folder.path(), QueueSettings::default()).await.unwrap_err();
    assert_eq!(error.kind(), rfid_core::ErrorKind::Busy);
}

/// Flips a bit in the content of the last record.
fn spoil_last(folder: &Path) {
    let path = crate::segments::list(&crate::files::Disk, folder).unwrap()[0].path.clone();
    let mut bytes = std::fs::read(&path).unwrap();
    // Its text is one byte, before a checksum of four.
    let at = bytes.len() - 5;
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
}

#[tokio::test]
async fn records_that_rotted_do_not_stop_those_behind() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path()).await;
    push(&queue, 0, 3).await;
    queue.close().await;
    spoil_last(folder.path());
    let queue = open(folder.path()).await;
    assert_eq!(texts(queue.peek(9).await.unwrap()), ["0", "1"]);
    push(&queue, 3, 4).await;
    let left = queue.peek(9).await.unwrap();
    assert_eq!(texts(left.clone()), ["0", "1", "3"]);
    queue.done(left[2].0).await.unwrap();
    assert!(queue.is_empty());
}

#[tokio::test]
async fn a_queue_of_which_nothing_can_be_read_becomes_empty() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path()).await;
    push(&queue, 0, 1).await;
    queue.close().await;
    spoil_last(folder.path());
    let queue = open(folder.path()).await;
    assert_eq!(queue.peek(9).await.unwrap(), []);
    assert!(queue.is_empty());
    push(&queue, 1, 2).await;
    assert_eq!(texts(queue.peek(9).await.unwrap()), ["1"]);
}
