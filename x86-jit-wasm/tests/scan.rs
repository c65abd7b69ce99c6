//! What looks through bytes, for `rep scas`: against a search of the same bytes one by one.

use guest_mem::TlbLayout;
use testkit::rng::Rng;
use wasmi::{Engine, Func, Instance, Memory, MemoryType, Module, Store};
use x86_jit_wasm::looks;

const PAGE: u64 = 4096;
/// Where in the memory the pages are, in no order; the last is not there.
const HOSTS: [u64; 4] = [0x5000, 0x1000, 0x3000, 0];
/// What byte the pages are mostly of.
const MOSTLY: u8 = 7;

fn present(addr: i64, what: i32) -> i32 {
    let (addr, bytes) = (addr as u64, (what >> 1) as u64);
    assert!(what & 1 == 0 && bytes > 0 && addr % PAGE + bytes <= PAGE, "reads, within a page");
    let host = HOSTS.get((addr / PAGE) as usize).copied().unwrap_or(0);
    if host == 0 { 0 } else { (host + addr % PAGE) as i32 }
}

#[test]
fn finds_the_first() {
    let engine = Engine::default();
    let module = looks(TlbLayout { bits: 10, stride: 32, read: 0, write: 8, bias: 24 });
    wasmparser::validate(&module).expect("valid");
    let module = Module::new(&engine, &module).expect("compiles");
    let mut store = Store::new(&engine, ());
    let memory = Memory::new(&mut store, MemoryType::new(1, None)).expect("memory");
    let present = Func::wrap(&mut store, present);
    let instance = Instance::new(&mut store, &module, &[present.into(), memory.into()]).expect("links");
    let scan = instance.get_typed_func::<(i64, i32, i32), i64>(&store, "s").expect("is exported");
    let mut rng = Rng::new(3);
    let mut ends = [0; 3];
    for _ in 0..20_000 {
        let mut bytes = vec![MOSTLY; 3 * PAGE as usize];
        let start = rng.below(3 * PAGE) as usize;
        let others = rng.below(3);
        for _ in 0..others {
            bytes[rng.below(3 * PAGE) as usize] = rng.below(4) as u8;
        }
        for (page, host) in bytes.chunks_exact(PAGE as usize).zip(HOSTS) {
            memory.write(&mut store, host as usize, page).expect("in memory");
        }
        let most = 1 + if rng.one_in(2) { rng.below(100) } else { rng.below(2 * PAGE) } as usize;
        let (byte, passed) = if rng.one_in(2) { (MOSTLY, true) } else { (rng.below(4) as u8, false) };
        let what = i32::from(byte) | i32::from(passed) << 8;
        let found = scan.call(&mut store, (start as i64, most as i32, what)).expect("runs");
        let rest = &bytes[start..];
        let (wanted, end) = match rest.iter().take(most).position(|other| (*other == byte) != passed) {
            Some(at) => (at + 1, 0),
            None if most <= rest.len() => (most, 1),
            None => (0, 2),
        };
        ends[end] += 1;
        let last = wanted.checked_sub(1).map_or(0, |last| rest[last]);
        assert_eq!(found, wanted as i64 | i64::from(last) << 32, "{what:x} in {most} from {start:x}");
    }
    assert!(ends.iter().all(|count| *count > 1000), "{ends:?}");
}
