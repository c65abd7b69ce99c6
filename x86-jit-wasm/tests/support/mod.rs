//! Regions in an interpreter of WebAssembly, which is ready at once where compilers take most of the time: a linear memory with a state, a TLB and pages of code and data, as the layout of the engine has them.

// Each test uses a part of it.
#![allow(dead_code)]

use guest_mem::{HomeLayout, TlbLayout};
use testkit::layout::{CODE, CODE_LEN, DATA, DATA_LEN};
use testkit::rng::Rng;
use wasmi::{
    Caller, Config, Engine, Extern, Func, Instance, Linker, Memory, MemoryType, Module, Nullable, Ref,
    RefType, Store, Table, TableType, TypedFunc,
};
use x86_cpu::{CodeMode, CpuState, F80, Fpu, X87Op, flags};
use x86_decode::{FeatureSet, MAX_LEN, Mode};
use x86_jit_wasm::layout::{self, Entrance, Jump, Places, context, fpu, shared};
use x86_jit_wasm::pending::PendingFlags;
use x86_jit_wasm::{Code, Limits, Region, Setting, Targets, arithmetic, looks, translate};

/// Where the state is in linear memory, the TLB, and the pages of code and data.
pub(crate) const CPU: usize = 0x100;
pub(crate) const TLB: usize = 0x1000;
pub(crate) const PAGES: usize = 0x10000;
pub(crate) const SHARED: usize = 0x20000;
pub(crate) const JUMPS: usize = 0x21000;
pub(crate) const PLACES: Places = Places {
    shared: SHARED as u32,
    jumps: JUMPS as u32,
    calls: CALLS as u32,
    better: BETTER as u32,
    tlb: TlbLayout { bits: 10, stride: 32, read: 0, write: 8, bias: 24 },
    home: HomeLayout {
        mask: 0xfff,
        map: (MAP - HOME) as u32,
        read_tags: (TAGS - HOME) as u32,
        write_tags: (TAGS + TAGS_LEN - HOME) as u32,
        granule_shift: 8,
    },
    hints: true,
};
/// A home of one page, that of data, its tags, and its map of bits.
const HOME: usize = PAGES + CODE_LEN;
const TAGS: usize = 0x1f_0000;
/// Where indirect calls are noted.
const CALLS: usize = 0x19_0000;
/// Where there is said to be better code: everywhere, in some modules.
const BETTER: usize = 0x1d_0000;
const MAP: usize = 0x20_0000;
/// Bytes of a map of bits for a page.
const GRANULES: usize = 16;
/// Size of the tags for loads of a home of one page.
const TAGS_LEN: usize = 4 * GRANULES;
/// Regions in a module, at most.
pub(crate) const REGIONS: usize = 50;
pub(crate) const BUDGET: i64 = 300;
pub(crate) const STAMP: u64 = 1 << layout::STAMP_AT;

/// Length of a function in code with calls, and how many there are.
pub(crate) const FUNCTION: u64 = 0x100;
pub(crate) const FUNCTIONS: u64 = 5;

/// Code, and what is known of its indirect jumps. Indirect calls go to any function.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8], pub(crate) Targets);

impl Code for Bytes<'_> {
    fn targets(&self, _: u64, _: u64) -> Targets {
        self.1.clone()
    }

    fn callees(&self, _: u64) -> Vec<u64> {
        (0..FUNCTIONS).rev().map(|n| CODE + n * FUNCTION).collect()
    }

    fn goes_often(&self, _: u64) -> Vec<u64> {
        self.1.known.clone()
    }

    fn fetch(&self, pc: u64, out: &mut [u8; MAX_LEN]) -> usize {
        let at = pc.wrapping_sub(CODE) as usize;
        let rest = self.0.get(at..).unwrap_or_default();
        let got = rest.len().min(MAX_LEN);
        out[..got].copy_from_slice(&rest[..got]);
        got
    }
}

/// FS and GS are null here.
pub(crate) fn setting(mode: Mode) -> Setting {
    Setting { mode: cpu_mode(mode), fs: mode == Mode::Bits64, gs: mode == Mode::Bits64 }
}

pub(crate) fn cpu_mode(mode: Mode) -> CodeMode {
    if mode == Mode::Bits64 { CodeMode::Bits64 } else { CodeMode::Bits32 }
}

/// Sign and exponent of what was computed last.
pub(crate) type Rest = u32;

pub(crate) type Translated = TypedFunc<(i32, i32, i64), i64>;

/// Where an area is that the TLB does not have.
pub(crate) fn present(addr: i64, what: i32) -> i32 {
    let (addr, len) = (addr as u64, (what >> 1) as u64);
    let within = |start: u64, size: usize| addr >= start && addr.saturating_add(len) <= start + size as u64;
    if what & 1 == 0 && within(CODE, CODE_LEN) {
        (PAGES as u64 + addr - CODE) as i32
    } else if within(DATA, DATA_LEN) {
        (PAGES as u64 + CODE_LEN as u64 + addr - DATA) as i32
    } else {
        0
    }
}

/// What computes in extended precision.
fn arithmetic_functions(store: &mut Store<Rest>, module: &Module) -> impl Iterator<Item = Extern> {
    let mut imports: Vec<Extern> = Vec::new();
    for op in X87Op::ALL {
        let general = move |mut caller: Caller<'_, Rest>, a: i64, x: i32, b: i64, y: i32| {
            let [a, b] = [(a, x), (b, y)]
                .map(|(mantissa, se)| F80 { mantissa: mantissa as u64, sign_exponent: se as u16 });
            let (mantissa, rest) = fpu::result(x86_interp::compute(op, a, b));
            *caller.data_mut() = rest;
            mantissa as i64
        };
        imports.push(Func::wrap(&mut *store, general).into());
    }
    imports.push(Func::wrap(&mut *store, |caller: Caller<'_, Rest>| *caller.data() as i32).into());
    let instance = Instance::new(&mut *store, module, &imports).expect("links");
    let functions = X87Op::ALL.map(|op| instance.get_func(&mut *store, op.name()).expect("is exported"));
    functions.into_iter().map(Extern::from)
}

/// What all modules have in common.
pub(crate) struct Host {
    engine: Engine,
    arithmetic: Module,
    looks: Module,
}

impl Host {
    pub(crate) fn new() -> Host {
        // Each function runs a few times.
        let engine = Engine::new(&Config::default());
        let module = arithmetic();
        wasmparser::validate(&module).expect("valid");
        let arithmetic = Module::new(&engine, &module).expect("compiles");
        let module = looks(PLACES.tlb);
        wasmparser::validate(&module).expect("valid");
        let looks = Module::new(&engine, &module).expect("compiles");
        Host { engine, arithmetic, looks }
    }

    /// Begins anew, now and then: the engine keeps all modules.
    pub(crate) fn renew(&mut self, module: u64) {
        if module % 1000 == 999 {
            *self = Host::new();
        }
    }
}

pub(crate) struct Wasm {
    store: Store<Rest>,
    memory: Memory,
    table: Table,
}

impl Wasm {
    fn new(engine: &Engine) -> Wasm {
        let mut store = Store::new(engine, 0);
        const _: () =
            assert!(JUMPS + size_of::<[Jump; layout::JUMPS]>() <= CALLS && BETTER + layout::JUMPS <= TAGS);
        let pages = (MAP + (1 << 24)) >> 16;
        let memory = Memory::new(&mut store, MemoryType::new(pages as u32, None)).expect("memory");
        let table = TableType::new(RefType::Func, REGIONS as u32, None);
        let table = Table::new(&mut store, table, Ref::Func(Nullable::Null)).expect("table");
        Wasm { store, memory, table }
    }

    pub(crate) fn function(&mut self, number: u64) -> Translated {
        let function = self.table.get(&mut self.store, number).expect("in the table");
        let Ref::Func(Nullable::Val(function)) = function else { panic!("was put there") };
        function.typed(&self.store).expect("of that type")
    }

    pub(crate) fn put(&mut self, at: usize, bytes: &[u8]) {
        self.memory.write(&mut self.store, at, bytes).expect("in memory");
    }

    fn get<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut bytes = [0; N];
        self.memory.read(&self.store, at, &mut bytes).expect("in memory");
        bytes
    }

    /// Where indirect calls have been noted to go.
    pub(crate) fn called(&self) -> Vec<u64> {
        let mut table = vec![0; BETTER - CALLS];
        self.memory.read(&self.store, CALLS, &mut table).expect("in memory");
        let words = table.chunks_exact(8).map(|word| word.try_into().map_or(0, u64::from_le_bytes));
        words.filter(|to| *to != 0).collect()
    }

    pub(crate) fn map(&mut self, page: u64, host: usize, write: bool) {
        let entry = TLB + (page as usize % 1024) * 32;
        self.put(entry, &page.to_le_bytes());
        self.put(entry + 8, &if write { page } else { u64::MAX }.to_le_bytes());
        self.put(entry + 24, &(host as u32).wrapping_sub((page as u32) << 12).to_le_bytes());
    }

    /// A module of regions, in a memory with pages for code and data. That of data is at home in every other
    /// module, and every other module is for a host that heeds hints.
    pub(crate) fn with(host: &Host, regions: &[Region]) -> Wasm {
        let instructions: usize = regions.iter().map(Region::instructions).sum();
        let places = Places { hints: instructions & 2 == 0, ..PLACES };
        let module = translate(regions, &places, 0);
        wasmparser::validate(&module).expect("valid");
        let module = Module::new(&host.engine, &module).expect("compiles");
        let mut wasm = Wasm::new(&host.engine);
        for n in 0..1024 * 4 {
            wasm.put(TLB + 8 * n, &u64::MAX.to_le_bytes());
        }
        wasm.map(CODE >> 12, PAGES, false);
        wasm.map((CODE >> 12) + 1, PAGES + 0x1000, false);
        wasm.map(DATA >> 12, PAGES + CODE_LEN, true);
        let (memory, table) = (wasm.memory, wasm.table);
        let present = Func::wrap(&mut wasm.store, present);
        // What a call comes back from elsewhere, all of it does.
        let resume = Func::wrap(&mut wasm.store, |_: i64, _: i32| 1);
        let mut linker = Linker::new(&host.engine);
        let mut define = |name: &str, item: Extern| {
            linker.define("e", name, item).expect("has that name once");
        };
        define("m", memory.into());
        define("t", table.into());
        define("f", present.into());
        define("n", resume.into());
        for (op, function) in X87Op::ALL.iter().zip(arithmetic_functions(&mut wasm.store, &host.arithmetic)) {
            define(op.name(), function);
        }
        let looks =
            Instance::new(&mut wasm.store, &host.looks, &[present.into(), memory.into()]).expect("links");
        for name in ["l", "s"] {
            define(name, looks.get_func(&wasm.store, name).expect("is exported").into());
        }
        if instructions.is_multiple_of(2) {
            // But for its last granule, as the next page is not there.
            let tags = [(PLACES.home.tag(DATA) as u32).to_le_bytes(); GRANULES - 1];
            [TAGS, TAGS + TAGS_LEN].iter().for_each(|at| wasm.put(*at, tags.as_flattened()));
            let bits = [HomeLayout::READ | HomeLayout::WRITE; GRANULES - 1];
            wasm.put(MAP + (DATA as usize >> 12) * GRANULES, &bits);
        }
        if instructions.is_multiple_of(3) {
            wasm.improve();
        }
        linker.instantiate_and_start(&mut wasm.store, &module).expect("links");
        wasm
    }

    /// Lets code find a function.
    pub(crate) fn announce(&mut self, pc: u64, entrance: Entrance) {
        let jump = Jump::new(STAMP, pc, entrance);
        let at = JUMPS + size_of::<Jump>() * Jump::index(pc);
        self.put(at, &jump.key.to_le_bytes());
        self.put(at + 8, &jump.target.to_le_bytes());
    }

    /// Has code of the quick tier think that there is better code everywhere.
    pub(crate) fn improve(&mut self) {
        self.put(BETTER, &[1; layout::JUMPS]);
    }

    /// Takes a page out of the TLB, and out of the map of the home.
    pub(crate) fn evict(&mut self, page: u64) {
        self.put(MAP + page as usize * GRANULES, &[0; GRANULES]);
        self.put(TAGS, &[0; 2 * TAGS_LEN]);
        self.put(TLB + (page as usize % 1024) * 32, &[0xff; 16]);
    }

    fn put_unit(&mut self, unit: &Fpu) {
        for (n, register) in unit.registers.iter().enumerate() {
            let at = CPU + (n << fpu::REGISTER_SHIFT);
            self.put(at + fpu::MANTISSA as usize, &register.mantissa.to_le_bytes());
            self.put(at + fpu::SIGN_EXPONENT as usize, &register.sign_exponent.to_le_bytes());
        }
        self.put(CPU + fpu::STATUS as usize, &unit.status.to_le_bytes());
        self.put(CPU + fpu::IN_USE as usize, &[unit.in_use]);
        self.put(CPU + fpu::LAST_IP as usize, &unit.last_ip.to_le_bytes());
    }

    fn get_unit(&mut self, unit: &mut Fpu) {
        for (n, register) in unit.registers.iter_mut().enumerate() {
            let at = CPU + (n << fpu::REGISTER_SHIFT);
            register.mantissa = u64::from_le_bytes(self.get(at + fpu::MANTISSA as usize));
            register.sign_exponent = u16::from_le_bytes(self.get(at + fpu::SIGN_EXPONENT as usize));
        }
        unit.control = u16::from_le_bytes(self.get(CPU + context::FPU_CONTROL as usize));
        unit.status = u16::from_le_bytes(self.get(CPU + fpu::STATUS as usize));
        unit.in_use = u8::from_le_bytes(self.get(CPU + fpu::IN_USE as usize));
        unit.last_ip = u64::from_le_bytes(self.get(CPU + fpu::LAST_IP as usize));
    }

    /// Runs a region on a state, with so many calls within each other. Gives instructions done.
    pub(crate) fn run(
        &mut self,
        function: &Translated,
        depth: i32,
        cpu: &mut CpuState,
        code: &[u8],
        data: &mut [u8],
    ) -> i64 {
        self.put(PAGES, code);
        self.put(PAGES + CODE_LEN, data);
        for (n, gpr) in cpu.gpr.iter().enumerate() {
            self.put(CPU + context::GPR as usize + 8 * n, &gpr.to_le_bytes());
        }
        self.put(CPU + context::RIP as usize, &cpu.rip.to_le_bytes());
        self.put(CPU + context::RFLAGS as usize, &cpu.rflags.to_le_bytes());
        let pending = PendingFlags::load(cpu.rflags);
        self.put(SHARED + shared::RESULT as usize, &pending.result.to_le_bytes());
        self.put(SHARED + shared::LEFT as usize, &pending.left.to_le_bytes());
        self.put(SHARED + shared::RIGHT as usize, &pending.right.to_le_bytes());
        self.put(SHARED + shared::SHAPE as usize, &pending.shape.to_le_bytes());
        self.put(SHARED + shared::STAMP as usize, &STAMP.to_le_bytes());
        self.put(SHARED + shared::TLB as usize, &(TLB as u32).to_le_bytes());
        self.put(SHARED + shared::HOME as usize, &(HOME as u32).to_le_bytes());
        self.put(SHARED + shared::VECTORS as usize, layout::VECTORS.map(u128::to_le_bytes).as_flattened());
        for (n, xmm) in cpu.xmm.iter().enumerate() {
            self.put(CPU + context::XMM as usize + 16 * n, &xmm.to_le_bytes());
        }
        self.put(CPU + context::MXCSR as usize, &cpu.mxcsr.to_le_bytes());
        self.put(CPU + context::FPU_CONTROL as usize, &cpu.fpu.control.to_le_bytes());
        self.put_unit(&cpu.fpu);
        let left = function.call(&mut self.store, (CPU as i32, depth, BUDGET)).expect("runs");
        self.get_unit(&mut cpu.fpu);
        for n in 0..16 {
            cpu.gpr[n] = u64::from_le_bytes(self.get(CPU + context::GPR as usize + 8 * n));
        }
        for n in 0..16 {
            cpu.xmm[n] = u128::from_le_bytes(self.get(CPU + context::XMM as usize + 16 * n));
        }
        cpu.mxcsr = u32::from_le_bytes(self.get(CPU + context::MXCSR as usize));
        let pending = PendingFlags {
            result: u64::from_le_bytes(self.get(SHARED + shared::RESULT as usize)),
            left: u64::from_le_bytes(self.get(SHARED + shared::LEFT as usize)),
            right: u64::from_le_bytes(self.get(SHARED + shared::RIGHT as usize)),
            shape: u32::from_le_bytes(self.get(SHARED + shared::SHAPE as usize)),
        };
        let rflags = u32::from_le_bytes(self.get(CPU + context::RFLAGS as usize));
        cpu.rflags = rflags & !flags::OSZAPC | pending.bits();
        cpu.rip = u64::from_le_bytes(self.get(CPU + context::RIP as usize));
        self.memory.read(&self.store, PAGES + CODE_LEN, data).expect("in memory");
        BUDGET - left
    }
}

/// The same in either tier.
pub(crate) fn discover_any(rng: &mut Rng, bytes: &[u8], pc: u64, mode: Mode, targets: Targets) -> Region {
    if rng.one_in(2) {
        return discover_with(bytes, pc, mode, targets);
    }
    Region::discover_quick(&Bytes(bytes, targets), pc, setting(mode), FeatureSet::ALL, 200)
}

pub(crate) fn discover(bytes: &[u8], pc: u64, mode: Mode) -> Region {
    discover_with(bytes, pc, mode, Targets::default())
}

pub(crate) fn discover_with(bytes: &[u8], pc: u64, mode: Mode, targets: Targets) -> Region {
    Region::discover(&Bytes(bytes, targets), pc, setting(mode), FeatureSet::ALL, Limits::default())
}
