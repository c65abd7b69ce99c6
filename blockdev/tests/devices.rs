//! Every device and middleware runs the conformance suite; then what is particular to each.

use async_trait::async_trait;
use blockdev::testing::{check_device, run};
use blockdev::*;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + i / 251) as u8).collect()
}

const SIZE: usize = 5 * BLOCK_BYTES + 1000;

/// A server in memory. Every answer waits a few polls; some fail.
#[derive(Default)]
struct Server {
    bytes: Vec<u8>,
    validator: RefCell<Option<String>>,
    fail_next: Cell<u32>,
    requests: RefCell<Vec<(u64, usize)>>,
    under_way: Cell<usize>,
    most_under_way: Cell<usize>,
}

async fn some_polls(mut count: u32) {
    poll_fn(|cx| {
        if count == 0 {
            return Poll::Ready(());
        }
        count -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

struct Fetcher(Rc<Server>);

#[async_trait(?Send)]
impl RangeFetcher for Fetcher {
    async fn head(&self) -> Result<RemoteInfo, DeviceError> {
        Ok(RemoteInfo { size: self.0.bytes.len() as u64, validator: self.0.validator.borrow().clone() })
    }

    async fn fetch(&self, offset: u64, len: usize) -> Result<Fetched, DeviceError> {
        let server = &self.0;
        server.requests.borrow_mut().push((offset, len));
        server.under_way.set(server.under_way.get() + 1);
        server.most_under_way.set(server.most_under_way.get().max(server.under_way.get()));
        some_polls(3).await;
        server.under_way.set(server.under_way.get() - 1);
        if server.fail_next.get() > 0 {
            server.fail_next.set(server.fail_next.get() - 1);
            return Err(DeviceError::Io("connection reset".into()));
        }
        let bytes = server.bytes[offset as usize..offset as usize + len].to_vec();
        Ok(Fetched { bytes, validator: server.validator.borrow().clone() })
    }
}

struct Waits(Rc<RefCell<Vec<u32>>>);

#[async_trait(?Send)]
impl Sleep for Waits {
    async fn sleep(&self, milliseconds: u32) {
        self.0.borrow_mut().push(milliseconds);
        some_polls(1).await;
    }
}

fn server(bytes: Vec<u8>) -> (Rc<Server>, Rc<RefCell<Vec<u32>>>) {
    let server = Server { bytes, validator: RefCell::new(Some("\"v1\"".into())), ..Server::default() };
    (Rc::new(server), Rc::default())
}

fn http(server: &Rc<Server>, waits: &Rc<RefCell<Vec<u32>>>) -> HttpBlocks<Fetcher, Waits> {
    run(HttpBlocks::open(Fetcher(server.clone()), Waits(waits.clone()), HttpOptions::default())).unwrap()
}

struct Chunks(BTreeMap<String, Vec<u8>>);

#[async_trait(?Send)]
impl FileFetcher for Chunks {
    async fn fetch(&self, suffix: &str) -> Result<Vec<u8>, DeviceError> {
        some_polls(1).await;
        self.0.get(suffix).cloned().ok_or_else(|| DeviceError::NotFound(suffix.into()))
    }
}

fn chunks(bytes: &[u8]) -> Chunks {
    let mut files = BTreeMap::from([(".meta".to_string(), format!("{}\n", bytes.len()).into_bytes())]);
    for (index, chunk) in bytes.chunks(BLOCK_BYTES).enumerate() {
        files.insert(format!(".c{index:06x}.txt"), chunk.to_vec());
    }
    Chunks(files)
}

fn overlay(base: Rc<dyn BlockDevice>, store: &MemoryStore, keep_reads: bool, max_pending: usize) -> Overlay {
    let options = OverlayOptions { keep_reads, max_pending };
    run(Overlay::open(base, Rc::new(store.clone()), options)).unwrap()
}

#[test]
fn every_device_conforms() {
    let bytes = pattern(SIZE);
    let memory = || Rc::new(MemoryDevice::from_bytes(bytes.clone()));
    let (remote, waits) = server(bytes.clone());
    let tiny = CacheOptions { capacity: 2, read_ahead: 1 };
    let devices: Vec<(&str, Rc<dyn BlockDevice>)> = vec![
        ("memory", memory()),
        ("memory, read-only", Rc::new(MemoryDevice::from_bytes(bytes.clone()).into_read_only())),
        ("cached", Rc::new(Cached::new(memory(), CacheOptions::default()))),
        ("cached, tiny", Rc::new(Cached::new(memory(), tiny))),
        (
            "cached, no read-ahead",
            Rc::new(Cached::new(memory(), CacheOptions { capacity: 3, read_ahead: 0 })),
        ),
        ("overlay", Rc::new(overlay(memory(), &MemoryStore::new(), false, 64))),
        ("overlay, keeping reads", Rc::new(overlay(memory(), &MemoryStore::new(), true, 64))),
        ("overlay, tiny", Rc::new(overlay(memory(), &MemoryStore::new(), true, 1))),
        ("http", Rc::new(http(&remote, &waits))),
        ("http, cached", Rc::new(Cached::new(Rc::new(http(&remote, &waits)), tiny))),
        (
            "the usual stack",
            Rc::new(Cached::new(
                Rc::new(overlay(Rc::new(http(&remote, &waits)), &MemoryStore::new(), true, 3)),
                CacheOptions::default(),
            )),
        ),
        ("split", Rc::new(run(SplitDevice::open(chunks(&bytes), 4)).unwrap())),
        ("traced", Rc::new(Traced::new(memory(), |_| ()))),
        ("recorder", Rc::new(Recorder::new(memory()))),
        ("fault injector", Rc::new(FaultInjector::new(memory()))),
    ];
    for (name, device) in devices {
        if let Err(problem) = run(check_device(&*device, &bytes)) {
            panic!("{name}: {problem}");
        }
    }
}

#[test]
fn equal_fetches_are_joined_and_sequential_reads_fetch_ahead() {
    let (remote, waits) = server(pattern(40 * BLOCK_BYTES));
    let cached = Cached::new(Rc::new(http(&remote, &waits)), CacheOptions { capacity: 64, read_ahead: 8 });
    run(async {
        let (mut a, mut b) = ([0; 10], [0; 20]);
        let far = 20 * BLOCK_BYTES as u64;
        let (x, y) = futures::join!(cached.read(far, &mut a), cached.read(far + 5, &mut b));
        x.unwrap();
        y.unwrap();
    });
    assert_eq!(remote.requests.borrow().len(), 1, "one fetch for two readers");
    assert_eq!(cached.stats().joined, 1);
    run(async {
        let mut buf = vec![0; 4096];
        for page in 0..(8 * BLOCK_BYTES / 4096) as u64 {
            cached.read(page * 4096, &mut buf).await.unwrap();
        }
    });
    assert!(cached.stats().prefetched >= 7, "{:?}", cached.stats());
    let mut seen: Vec<_> = remote.requests.borrow().clone();
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all, "no block is fetched twice");
    assert!(seen.iter().all(|(offset, len)| offset % BLOCK_BYTES as u64 == 0 && *len == BLOCK_BYTES));
}

#[test]
fn a_reader_that_goes_away_does_not_stop_the_others() {
    let (remote, waits) = server(pattern(SIZE));
    let cached = Cached::new(Rc::new(http(&remote, &waits)), CacheOptions::default());
    run(async {
        let (mut a, mut b) = ([0; 8], [0; 8]);
        let mut first = Box::pin(cached.read(0, &mut a));
        let second = cached.read(0, &mut b);
        assert!(futures::poll!(first.as_mut()).is_pending());
        let mut second = Box::pin(second);
        assert!(futures::poll!(second.as_mut()).is_pending());
        assert!(futures::poll!(first.as_mut()).is_pending());
        drop(first);
        second.await.unwrap();
        assert_eq!(b[..], pattern(8)[..]);
    });
    assert_eq!(remote.requests.borrow().iter().filter(|(offset, _)| *offset == 0).count(), 1);
}

#[test]
fn a_write_during_a_fetch_wins() {
    let (remote, waits) = server(pattern(SIZE));
    let stack = overlay(Rc::new(http(&remote, &waits)), &MemoryStore::new(), true, 64);
    let cached = Cached::new(Rc::new(stack), CacheOptions::default());
    run(async {
        let mut early = [0; 4];
        let mut read = Box::pin(cached.read(10, &mut early));
        assert!(futures::poll!(read.as_mut()).is_pending());
        cached.write(10, b"newer").await.unwrap();
        let _ = read.await;
        let mut late = [0; 5];
        cached.read(10, &mut late).await.unwrap();
        assert_eq!(&late, b"newer");
    });
}

#[test]
fn http_retries_with_growing_waits_and_then_gives_up() {
    let (remote, waits) = server(pattern(SIZE));
    let device = http(&remote, &waits);
    let mut buf = [0; 16];
    remote.fail_next.set(3);
    run(device.read(0, &mut buf)).unwrap();
    assert_eq!(*waits.borrow(), [250, 500, 1000]);
    assert_eq!(device.stats().retries, 3);
    remote.fail_next.set(100);
    assert_eq!(run(device.read(0, &mut buf)), Err(DeviceError::Io("connection reset".into())));
    assert_eq!(remote.fail_next.get(), 95, "five tries");
}

#[test]
fn http_fetches_several_blocks_at_once() {
    let (remote, waits) = server(pattern(SIZE));
    let device = http(&remote, &waits);
    let mut buf = vec![0; SIZE];
    run(device.read(0, &mut buf)).unwrap();
    assert_eq!(buf, pattern(SIZE));
    assert_eq!(remote.most_under_way.get(), 6);
    assert_eq!(device.stats().bytes, SIZE as u64);
}

#[test]
fn http_notices_a_changed_file_and_wants_a_validator() {
    let (remote, waits) = server(pattern(SIZE));
    let device = http(&remote, &waits);
    *remote.validator.borrow_mut() = Some("\"v2\"".into());
    let found = run(device.read(0, &mut [0; 4]));
    assert_eq!(found, Err(DeviceError::Changed { expected: "\"v1\"".into(), found: "\"v2\"".into() }));
    assert!(waits.borrow().is_empty(), "no retry for that");
    *remote.validator.borrow_mut() = None;
    let opened = run(HttpBlocks::open(Fetcher(remote), Waits(waits), HttpOptions::default()));
    assert!(matches!(opened, Err(DeviceError::Unsupported(_))));
}

#[test]
fn an_overlay_refuses_another_base_once_written() {
    let base = |validator| Rc::new(MemoryDevice::from_bytes(pattern(SIZE)).with_validator(validator));
    let store = MemoryStore::new();
    let mut buf = vec![0; 100];
    let first = overlay(base("a"), &store, true, 64);
    run(first.read(0, &mut buf)).unwrap();
    run(first.flush()).unwrap();
    assert_eq!(store.len(), 1, "the read is kept");
    let second = overlay(base("b"), &store, true, 64);
    assert_eq!(store.len(), 0, "kept reads of another base are dropped");
    run(second.write(5, b"x")).unwrap();
    run(second.flush()).unwrap();
    let third = run(Overlay::open(base("c"), Rc::new(store.clone()), OverlayOptions::default()));
    assert!(matches!(third, Err(DeviceError::Changed { .. })), "{third:?}");
    run(second.reset()).unwrap();
    overlay(base("c"), &store, true, 64);
}

#[test]
fn an_overlay_keeps_flushed_writes_and_a_prefix_of_the_others() {
    for max_pending in [1, 2, 3, 64] {
        let store = MemoryStore::new();
        let base = Rc::new(MemoryDevice::zeroed(SIZE).into_read_only());
        let device = overlay(base.clone(), &store, false, max_pending);
        run(async {
            device.write(0, &[1; 10]).await.unwrap();
            device.write(3 * BLOCK_BYTES as u64 - 5, &[1; 10]).await.unwrap();
            device.flush().await.unwrap();
            for block in 0..5 {
                device.write(block * BLOCK_BYTES as u64, &[2; 10]).await.unwrap();
            }
        });
        drop(device);
        store.crash();
        let device = overlay(base, &store, false, max_pending);
        let mut found = [0; 10];
        run(device.read(3 * BLOCK_BYTES as u64 - 5, &mut found)).unwrap();
        assert_eq!(found, [1; 10]);
        run(device.read(0, &mut found)).unwrap();
        assert_eq!(found, [1; 10], "unflushed writes are lost in a crash of this store");
    }
}

#[test]
fn small_writes_reach_the_store_as_one_batch() {
    let store = MemoryStore::new();
    let device = overlay(Rc::new(MemoryDevice::zeroed(SIZE)), &store, false, 64);
    run(async {
        for i in 0..1000 {
            device.write(i * 600, &[i as u8; 600]).await.unwrap();
        }
        device.flush().await.unwrap();
    });
    assert_eq!(store.batches(), 1);
}

#[test]
fn an_overlay_over_an_overlay() {
    let lower = overlay(Rc::new(MemoryDevice::from_bytes(pattern(SIZE))), &MemoryStore::new(), false, 64);
    let upper = overlay(Rc::new(lower), &MemoryStore::new(), true, 64);
    run(check_device(&upper, &pattern(SIZE))).unwrap();
}

#[test]
fn split_images_say_what_is_missing() {
    assert!(matches!(run(SplitDevice::open(Chunks(BTreeMap::new()), 1)), Err(DeviceError::NotFound(_))));
    let mut files = chunks(&pattern(SIZE));
    files.0.remove(".c000002.txt");
    files.0.insert(".c000001.txt".into(), vec![0; 5]);
    let device = run(SplitDevice::open(files, 3)).unwrap();
    let at = |block: u64| block * BLOCK_BYTES as u64;
    assert!(run(device.read(at(0), &mut [0; 9])).is_ok());
    assert!(matches!(run(device.read(at(1), &mut [0; 9])), Err(DeviceError::Corrupt(_))));
    assert_eq!(run(device.read(at(2), &mut [0; 9])), Err(DeviceError::NotFound(".c000002.txt".into())));
}

#[test]
fn faults_come_when_asked_for() {
    let base = Rc::new(MemoryDevice::zeroed(4096));
    let device = FaultInjector::new(base.clone());
    run(async {
        device.write(0, b"flushed").await.unwrap();
        device.flush().await.unwrap();
        device.write(0, b"one....").await.unwrap();
        device.write(100, b"two").await.unwrap();
        let mut seen = [0; 7];
        device.read(0, &mut seen).await.unwrap();
        assert_eq!(&seen, b"one....", "unflushed writes are seen");
        device.crash(1).await.unwrap();
        assert_eq!(device.read(0, &mut seen).await, Err(DeviceError::Injected));
        device.recover();
        device.read(0, &mut seen).await.unwrap();
        assert_eq!(&seen, b"one....");
        assert_eq!(base.contents()[100], 0, "the second was lost");
        device.fail_writes_after(Some(1));
        device.write(0, b"x").await.unwrap();
        assert_eq!(device.write(0, b"y").await, Err(DeviceError::Injected));
        device.fail_reads_after(Some(0));
        assert_eq!(device.read(0, &mut seen).await, Err(DeviceError::Injected));
    });
}

#[test]
fn a_failed_batch_is_sent_again() {
    struct Failing(MemoryStore, Cell<bool>);
    #[async_trait(?Send)]
    impl BlockStore for Failing {
        async fn get(&self, index: u64) -> Result<Option<Vec<u8>>, DeviceError> {
            self.0.get(index).await
        }
        async fn indices(&self) -> Result<Vec<u64>, DeviceError> {
            self.0.indices().await
        }
        async fn put_many(&self, blocks: &[(u64, Rc<Vec<u8>>)]) -> Result<(), DeviceError> {
            match self.1.get() {
                true => Err(DeviceError::NoSpace("the store".into())),
                false => self.0.put_many(blocks).await,
            }
        }
        async fn get_meta(&self, key: &str) -> Result<Option<Vec<u8>>, DeviceError> {
            self.0.get_meta(key).await
        }
        async fn put_meta(&self, key: &str, value: &[u8]) -> Result<(), DeviceError> {
            self.0.put_meta(key, value).await
        }
        async fn flush(&self) -> Result<(), DeviceError> {
            self.0.flush().await
        }
        async fn clear(&self) -> Result<(), DeviceError> {
            self.0.clear().await
        }
    }
    let store = Rc::new(Failing(MemoryStore::new(), Cell::new(true)));
    let base = Rc::new(MemoryDevice::zeroed(SIZE));
    let device = run(Overlay::open(base.clone(), store.clone(), OverlayOptions::default())).unwrap();
    run(async {
        device.write(7, b"precious").await.unwrap();
        assert!(matches!(device.flush().await, Err(DeviceError::NoSpace(_))));
        let mut seen = [0; 8];
        device.read(7, &mut seen).await.unwrap();
        assert_eq!(&seen, b"precious");
        device.write(7, b"newer").await.unwrap();
        store.1.set(false);
        device.flush().await.unwrap();
        let again = Overlay::open(base, store, OverlayOptions::default()).await.unwrap();
        again.read(7, &mut seen).await.unwrap();
        assert_eq!(&seen, b"newerous");
    });
}

#[test]
fn a_recording_rebuilds_the_device() {
    let recorder = Recorder::new(Rc::new(MemoryDevice::zeroed(4096)));
    run(async {
        recorder.write(0, b"first").await.unwrap();
        recorder.flush().await.unwrap();
        recorder.write(0, b"other").await.unwrap();
        let copy = MemoryDevice::zeroed(4096);
        recorder.replay(&copy, 2).await.unwrap();
        assert_eq!(&copy.contents()[..5], b"first");
        recorder.replay(&copy, 3).await.unwrap();
        assert_eq!(&copy.contents()[..5], b"other");
    });
}

#[test]
fn locks_are_fair_and_survive_those_who_give_up() {
    let lock = AsyncLock::new();
    run(async {
        let held = lock.lock().await;
        let mut first = Box::pin(lock.lock());
        let mut second = Box::pin(lock.lock());
        assert!(futures::poll!(first.as_mut()).is_pending());
        assert!(futures::poll!(second.as_mut()).is_pending());
        drop(held);
        drop(first);
        let guard = second.await;
        let mut third = Box::pin(lock.lock());
        assert!(futures::poll!(third.as_mut()).is_pending());
        drop(guard);
        third.await;
    });
}

#[test]
fn a_flight_goes_on_without_its_first_waiter() {
    run(async {
        let steps = Rc::new(Cell::new(0));
        let counter = steps.clone();
        let flight = Flight::new(async move {
            some_polls(2).await;
            counter.set(counter.get() + 1);
            17
        });
        let mut first = Box::pin(flight.wait());
        assert!(futures::poll!(first.as_mut()).is_pending());
        drop(first);
        assert_eq!(futures::join!(flight.wait(), flight.wait()), (17, 17));
        assert_eq!(steps.get(), 1);
    });
}
