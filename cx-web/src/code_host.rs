//! Runs translated code: modules are compiled and instantiated in the worker, over its own memory and table of functions.

use core::cell::{Cell, RefCell};
use core::ptr::NonNull;
use cx_runtime::jit::layout::{Shared, fpu};
use cx_runtime::jit::{CodeError, CodeHost, Jit, Resume, Tuning, arithmetic, looks, trampoline};
use cx_runtime::{ExecEngine, Interp, compute};
use guest_mem::{Access, AddressSpace, FramePool, HomeLayout, PAGE_SIZE, TlbLayout};
use js_sys::{Function, Object, Reflect, Uint8Array, WebAssembly};
use wasm_bindgen::prelude::*;
use x86_cpu::{CpuState, F80, X87Op};

thread_local! {
    /// What translated code runs in, while it runs.
    static RUNNING: Cell<Option<Running>> = const { Cell::new(None) };
    /// Of what was computed last: see [`fpu::result`].
    static REST: Cell<u32> = const { Cell::new(0) };
}

/// The parameters of [`CodeHost::call`], for what translated code asks for within it.
#[derive(Clone, Copy)]
struct Running {
    mem: *const AddressSpace,
    cpu: *mut CpuState,
    shared: *mut Shared,
    resume: *mut Resume<'static>,
}

/// Where an area is that the TLB does not have: see [`translate`](cx_runtime::jit::translate).
#[unsafe(no_mangle)]
extern "C" fn jit_present(addr: i64, what: u32) -> u32 {
    // SAFETY: only translated code calls this, and `call` holds a reference as long as that runs.
    let mem = RUNNING.get().map(|running| unsafe { &*running.mem });
    let access = if what & 1 == 0 { Access::Read } else { Access::Write };
    mem.and_then(|mem| mem.present(addr as u64, (what >> 1) as usize, access)).map_or(0, |host| host as u32)
}

/// Goes on until a call comes back: see [`translate`](cx_runtime::jit::translate).
#[unsafe(no_mangle)]
extern "C" fn jit_resume(back: i64, depth: i32) -> u32 {
    let Some(running) = RUNNING.get() else { return 1 };
    // SAFETY: only translated code calls this. `call` holds the references that these come from as long as that runs, and
    // neither it nor translated code uses them before this has returned.
    let (cpu, shared, resume) = unsafe { (&mut *running.cpu, &mut *running.shared, &mut *running.resume) };
    resume(cpu, shared, back as u64, depth.max(0) as u32).into()
}

/// Sign and exponent of what was computed last.
#[unsafe(no_mangle)]
extern "C" fn jit_rest() -> u32 {
    REST.get()
}

macro_rules! computations {
    ($($name:ident $op:ident;)*) => {
        $(
            /// Extended precision: see [`arithmetic`].
            #[unsafe(no_mangle)]
            extern "C" fn $name(a: u64, a_se: u32, b: u64, b_se: u32) -> u64 {
                let [a, b] =
                    [(a, a_se), (b, b_se)].map(|(mantissa, se)| F80 { mantissa, sign_exponent: se as u16 });
                let (mantissa, rest) = fpu::result(compute(X87Op::$op, a, b));
                REST.set(rest);
                mantissa
            }
        )*

        /// What is exported for an operation.
        fn export(op: X87Op) -> &'static str {
            match op {
                $(X87Op::$op => stringify!($name),)*
            }
        }
    };
}

computations! {
    jit_add Add;
    jit_subtract Subtract;
    jit_multiply Multiply;
    jit_divide Divide;
    jit_square_root SquareRoot;
    jit_round RoundToInteger;
}

/// Address spaces that have homes, at most.
const HOMES: usize = 8;
/// Memory that homes leave to what is not memory of guests.
const OTHERS: usize = 640 << 20;

/// Memory that has just grown.
fn grow(bytes: usize) -> Option<NonNull<u8>> {
    const PAGE_SHIFT: u32 = 16;
    let memory = wasm_bindgen::memory();
    let grow = Reflect::get(&memory, &"grow".into()).ok()?.dyn_into::<Function>().ok()?;
    let pages = bytes.div_ceil(1 << PAGE_SHIFT) as u32;
    let first = grow.call1(&memory, &pages.into()).ok()?.as_f64()?;
    NonNull::new(core::ptr::with_exposed_provenance_mut((first as usize) << PAGE_SHIFT))
}

/// Lets programs have [homes](guest_mem::HomeLayout), in memory that the worker has not touched before: as many as there is room for
/// beside all frames of the pool.
pub(crate) fn offer_homes(pool: &FramePool) {
    let frames = pool.stats().limit * PAGE_SIZE;
    let homes = usize::MAX.saturating_sub(frames).saturating_sub(OTHERS) / HomeLayout::OWN.size();
    // SAFETY: memory that has just grown is zero, begins at a page of 64 KiB, and nobody else knows of it: the allocator uses what it has
    // grown itself.
    unsafe { pool.set_homes_in(homes.min(HOMES), grow) };
}

/// Places by which the table grows at least.
const GROWTH: u32 = 256;

/// The worker as a place for translated code.
///
/// Translated functions have a table of their own, and one function in that of the engine calls them: some hosts do work for each
/// place of a table that a module imports.
///
/// Node.js 20 keeps all instances that import a table as long as that lives, each with a copy of it, also when its places are
/// empty: to give functions up is to begin another table.
pub(crate) struct WorkerCode {
    imports: Object,
    /// In `imports`, what modules import by name.
    own: Object,
    table: RefCell<WebAssembly::Table>,
    /// The function that calls the others: its place in the engine's table.
    call: u32,
    /// Places given out, up to here.
    next: Cell<u32>,
    end: Cell<u32>,
    copies_table: bool,
    heeds_hints: bool,
}

/// From this version of V8 on, instances are taken to share the tables that they import: 11.3 copies them, 14.8 does not, and what is
/// between has not been tried. So, it seems, do all other engines.
const SHARES_TABLES: f64 = 13.0;

/// From this version of V8 on, hosts are taken to heed hints: 14.8 does and 11.3 does not, by their figures, and what is between has not been tried. Firefox ESR does not.
const HEEDS_HINTS: f64 = 13.7;

/// The version of V8: Node.js says it, and browsers the version of Chromium, which is ten times as much. None of other engines.
fn v8_version() -> Option<f64> {
    let global: JsValue = js_sys::global().into();
    let text = |path: &[&str]| {
        let found =
            path.iter().try_fold(global.clone(), |object, name| Reflect::get(&object, &(*name).into()));
        found.ok()?.as_string()
    };
    if let Some(version) = text(&["process", "versions", "v8"]) {
        return Some(js_sys::parse_float(&version));
    }
    let agent = text(&["navigator", "userAgent"])?;
    Some(js_sys::parse_float(agent.split("Chrome/").nth(1)?) / 10.0)
}

fn set(object: &Object, name: &str, value: &JsValue) -> Result<bool, JsValue> {
    Reflect::set(object, &name.into(), value)
}

/// What a module exports that is instantiated with `imports`.
fn exports_of(module: &[u8], imports: &Object) -> Result<Object, JsValue> {
    let module = WebAssembly::Module::new(&Uint8Array::from(module))?;
    Ok(WebAssembly::Instance::new(&module, imports)?.exports())
}

impl WorkerCode {
    pub(crate) fn new() -> Result<WorkerCode, JsValue> {
        let (own, imports) = (Object::new(), Object::new());
        set(&own, "m", &wasm_bindgen::memory())?;
        let export_of_engine = |name: &str| Reflect::get(&wasm_bindgen::exports(), &name.into());
        set(&own, "f", &export_of_engine("jit_present")?)?;
        set(&own, "n", &export_of_engine("jit_resume")?)?;
        set(&own, "r", &export_of_engine("jit_rest")?)?;
        for op in X87Op::ALL {
            set(&own, op.name(), &export_of_engine(export(op))?)?;
        }
        set(&imports, "e", &own)?;
        let fast = exports_of(&arithmetic(), &imports)?;
        for op in X87Op::ALL {
            set(&own, op.name(), &Reflect::get(&fast, &op.name().into())?)?;
        }
        let looks = exports_of(&looks(TlbLayout::OWN), &imports)?;
        for name in ["l", "s"] {
            set(&own, name, &Reflect::get(&looks, &name.into())?)?;
        }
        let call = wasm_bindgen::function_table().unchecked_into::<WebAssembly::Table>().grow(1)?;
        let table = RefCell::new(WorkerCode::begin(&imports, &own, call)?);
        let (next, end) = (Cell::new(0), Cell::new(GROWTH));
        let version = v8_version();
        let copies_table = version.is_some_and(|version| version < SHARES_TABLES);
        let heeds_hints = version.is_some_and(|version| version >= HEEDS_HINTS);
        Ok(WorkerCode { imports, own, table, call, next, end, copies_table, heeds_hints })
    }

    /// A new table, for modules to import, and at `call` in the engine's the function that calls those in it.
    fn begin(imports: &Object, own: &Object, call: u32) -> Result<WebAssembly::Table, JsValue> {
        let kind = Object::new();
        set(&kind, "element", &"anyfunc".into())?;
        set(&kind, "initial", &GROWTH.into())?;
        let table = WebAssembly::Table::new(&kind)?;
        set(own, "t", &table)?;
        let exports = exports_of(&trampoline(), imports)?;
        let function = Reflect::get(&exports, &"call".into())?;
        let engine: WebAssembly::Table = wasm_bindgen::function_table().unchecked_into();
        engine.set(call, function.unchecked_ref())?;
        Ok(table)
    }
}

/// The translator on top of an interpreter.
pub(crate) fn translator(interp: Interp) -> Box<dyn ExecEngine> {
    with(interp, Tuning::default())
}

/// The same, where code is translated after a few arrivals, whatever that costs: for tests.
pub(crate) fn eager_translator(interp: Interp) -> Box<dyn ExecEngine> {
    with(interp, Tuning::eager())
}

fn with(interp: Interp, tuning: Tuning) -> Box<dyn ExecEngine> {
    let features = interp.features();
    match WorkerCode::new() {
        Ok(host) => Box::new(Jit::new(interp, host, features, tuning)),
        // A host that forbids compiling code at run time (a content security policy) still interprets.
        Err(_) => Box::new(interp),
    }
}

impl CodeHost for WorkerCode {
    fn reserve(&self, functions: u32) -> Result<u32, CodeError> {
        let first = self.next.get();
        if first + functions > self.end.get() {
            let by = functions.max(GROWTH).max(self.end.get() / 2);
            self.table.borrow().grow(by).map_err(|_| CodeError::Full)?;
            self.end.set(self.end.get() + by);
        }
        self.next.set(first + functions);
        Ok(first)
    }

    fn install(&self, module: &[u8]) -> Result<(), CodeError> {
        let bytes = Uint8Array::from(module);
        let module = WebAssembly::Module::new(&bytes).map_err(|_| CodeError::Refused)?;
        WebAssembly::Instance::new(&module, &self.imports).map_err(|_| CodeError::Full)?;
        Ok(())
    }

    fn copies_table(&self) -> bool {
        self.copies_table
    }

    fn heeds_hints(&self) -> bool {
        self.heeds_hints
    }

    fn address(&self, pointer: usize) -> u32 {
        pointer as u32
    }

    fn call(
        &self,
        slot: u32,
        mem: &AddressSpace,
        cpu: &mut CpuState,
        shared: &mut Shared,
        depth: u32,
        resume: &mut Resume<'_>,
    ) {
        type Function = extern "C" fn(u32, *mut CpuState, u32, i64) -> i64;
        // SAFETY: on this target a function pointer is a place in the table of functions, and at this one `new` has put a function of
        // this type. What those read and write is the state behind `cpu`, the `Shared` behind the
        // other parameter, which is borrowed for as long, the TLB, which is made of cells, and frames of the guest, which no
        // reference points into.
        let function: Function = unsafe { core::mem::transmute(self.call as usize) };
        let (cpu, shared): (*mut CpuState, *mut Shared) = (cpu, shared);
        // SAFETY: but for its lifetime, it is what it was; `RUNNING` has it for as long as this call lasts.
        let resume = unsafe { core::mem::transmute::<*mut Resume<'_>, *mut Resume<'static>>(resume) };
        let outer = RUNNING.replace(Some(Running { mem, cpu, shared, resume }));
        // SAFETY: they come from references that are borrowed for as long as this call lasts.
        let budget = unsafe { (*shared).budget };
        let left = function(slot, cpu, depth, budget);
        // SAFETY: as above.
        unsafe { (*shared).budget = left };
        RUNNING.set(outer);
    }

    fn clear(&self) -> Result<(), CodeError> {
        let table = WorkerCode::begin(&self.imports, &self.own, self.call).map_err(|_| CodeError::Full)?;
        self.table.replace(table);
        self.next.set(0);
        self.end.set(GROWTH);
        Ok(())
    }
}
