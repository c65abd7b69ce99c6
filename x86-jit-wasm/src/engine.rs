//! The engine: translated code where there is some, another engine where there is none.

mod changes;
mod tiers;

use crate::cache::{Key, Translations};
use crate::guest::Guest;
use crate::host::CodeHost;
use crate::layout::{Called, Entrance, JUMPS, Jump, STAMP_AT, STAMPS, Shared, VECTORS, fpu, mxcsr, reason};
use crate::learn::Jumps;
use crate::lift::{asks_for_precision, is_x87, takes};
use crate::pending::PendingFlags;
use crate::region::Setting;
use crate::search::decode_at;
use crate::segments::KnownSegments;
use crate::tuning::Tuning;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use changes::Changes;
use core::fmt;
use guest_mem::{AddressSpace, Width};
use tiers::{Kept, Queue};
use x86_cpu::{BaseEngine, CodeMode, CpuState, Cpuid, ExecEngine, Exit, Pause, RunOutcome, Start, flags};
use x86_decode::{FeatureSet, Operand};

/// What an engine has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JitStats {
    /// Regions translated.
    pub regions: u64,
    /// Those of them that are of the [quick](crate::Tier::Quick) tier.
    pub quick: u64,
    /// Addresses that indirect jumps inside of regions go to.
    pub arms: u64,
    /// Modules made of them.
    pub modules: u64,
    /// Bytes of the modules.
    pub bytes: u64,
    /// Instructions done in translated code.
    pub translated: u64,
    /// Instructions left to the other engine.
    pub interpreted: u64,
    /// Calls of translated code.
    pub entries: u64,
    /// Times that translated code left an instruction to the other engine.
    pub stops: u64,
    /// Times that all translations were given up to make room.
    pub clears: u64,
    /// Contexts: states of address spaces, in each of which translated code finds other translated code anew.
    pub contexts: u64,
    /// Times that the engine has found translated code for it.
    pub found: u64,
}

/// The translator as an engine, on top of one that interprets, in a place that runs WebAssembly.
pub struct Jit<B, H> {
    host: H,
    shared: Box<Shared>,
    core: Core<B>,
}

/// What generated code is reached by.
struct Seat<'a, H> {
    host: &'a H,
    shared: &'a mut Shared,
}

/// What a call of translated code does not keep to itself: others may run within it.
struct Core<B> {
    base: B,
    tuning: Tuning,
    features: FeatureSet,
    translations: Translations,
    jumps: Jumps,
    /// For the quick tier.
    queue: Queue,
    /// For the best one.
    best: Queue,
    segments: KnownSegments,
    /// What the stamp in `shared` stands for.
    current: Option<(Context, u32)>,
    /// Contexts that processes alternate between.
    contexts: Vec<(Context, u32)>,
    next_stamp: u32,
    /// What is kept.
    kept: Kept,
    /// Whether there is no room for more translations until all are given up, which waits until none of them is running.
    full: bool,
    /// Whether there is no room for any.
    is_closed: bool,
    stats: JitStats,
    /// By [`Jump::index`].
    visits: Vec<Visits>,
    /// [Keys](Jump::key) at which there is no translation, by [`Jump::index`].
    absent: Vec<u64>,
    /// Where translated code has left for, by [`Jump::index`], and how often.
    leaves: Vec<(u64, u32)>,
    /// Where translated code has been when it was looked at, by [`Jump::index`], and how often.
    seen: Vec<(u64, u32)>,
    /// Instructions translated, of each tier.
    spent: [u64; 2],
    /// The same, and what was not made use of when it could have been.
    charged: [u64; 2],
    /// Instructions that may be done beyond what translated code knows of.
    reserve: i64,
    /// Times that the other engine has taken over.
    left: u64,
    /// The same by instruction, from samples.
    left_by_name: BTreeMap<&'static str, u64>,
    /// Where calls in translated code are to come back to that have not yet, the innermost last.
    awaited: Vec<u64>,
    /// Why all of translated code is left.
    ended: Option<Exit>,
    /// Whether that which is between two runs within each other is left.
    leaving: bool,
    /// What changes to the other engine were worth.
    changes: Changes,
    /// [`Shared::strays`] when one of them was brought home last, or others could have been.
    noted: u64,
}

/// Where a run ends that a call in translated code waits for: behind its return address, when the stack is above what it was.
#[derive(Clone, Copy)]
struct Until {
    pc: u64,
    sp: u64,
}

impl Until {
    fn is_reached(self, cpu: &CpuState) -> bool {
        cpu.rip == self.pc && cpu.gpr[4] > self.sp
    }
}

/// Room that a run within translated code takes, in units of [`Tuning::depth`].
const RUN: u32 = 12;

/// Instructions that the other engine does in the time that a change to translated code and back takes.
const CHANGE: u64 = 40;
/// Jumps that go unreported between two reports, where the code that they are in is not to be translated anew yet.
const QUIET: i32 = 16;
/// Instructions after which it is looked whether translated code may run again.
const UNUSUAL_SLICE: u64 = 64;
/// One in so many is looked at closely.
const SAMPLE: u64 = 64;
/// Looks at what is not at home until the page of another one is brought home.
const NOTED: u64 = 64;
/// One in so many that leave for an access.
const GATHER: u64 = 8;

/// What it was worth to give way to the translated code at an address.
#[derive(Clone, Copy, Default)]
struct Visits {
    pc: u64,
    count: u32,
    /// Instructions.
    done: u64,
}

/// Visits after which they are weighed.
const VISITS: u32 = 32;

/// What makes entries of the table of jumps true.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Context {
    space: u64,
    generation: u64,
    epoch: u64,
    setting: Setting,
    /// Address of the home in linear memory, if the address space has one for addresses of that width.
    home: Option<usize>,
}

/// Contexts remembered.
const CONTEXTS: usize = 8;

impl<B, H> fmt::Debug for Jit<B, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jit")
            .field("tuning", &self.core.tuning)
            .field("stats", &self.core.stats)
            .finish_non_exhaustive()
    }
}

impl<B: BaseEngine, H: CodeHost> Jit<B, H> {
    /// An engine on top of another one. `features` is what that one decodes.
    pub fn new(mut base: B, host: H, features: FeatureSet, tuning: Tuning) -> Jit<B, H> {
        base.set_threshold(tuning.threshold);
        let shared = Box::new(Shared {
            flags: PendingFlags::default(),
            budget: 0,
            stamp: 1 << STAMP_AT,
            tlb: 0,
            home: 0,
            strays: 0,
            stray: 0,
            reason: reason::JUMP,
            origin: 0,
            region: 0,
            quiet: 0,
            vectors: VECTORS,
            called: Called::default(),
            better: Shared::nothing_better(),
            jumps: Jump::table(),
        });
        let core = Core {
            base,
            tuning,
            features,
            translations: Translations::default(),
            jumps: Jumps::default(),
            queue: Queue::default(),
            best: Queue::default(),
            segments: KnownSegments::default(),
            current: None,
            contexts: Vec::new(),
            next_stamp: 1,
            kept: Kept::default(),
            full: false,
            is_closed: false,
            stats: JitStats::default(),
            visits: vec![Visits::default(); JUMPS],
            absent: vec![0; JUMPS],
            leaves: vec![(0, 0); JUMPS],
            seen: vec![(0, 0); JUMPS],
            spent: [0; 2],
            charged: [0; 2],
            reserve: 0,
            left: 0,
            left_by_name: BTreeMap::new(),
            awaited: Vec::new(),
            ended: None,
            leaving: false,
            changes: Changes::default(),
            noted: 0,
        };
        Jit { host, shared, core }
    }

    /// What it has done so far.
    pub fn stats(&self) -> JitStats {
        self.core.stats
    }
}

impl<B: BaseEngine> Core<B> {
    /// Takes note of what is running, for what follows.
    fn enter<H: CodeHost>(&mut self, seat: &mut Seat<'_, H>, mem: &AddressSpace, setting: Setting) {
        let context = Context {
            space: mem.id(),
            generation: mem.generation(),
            epoch: mem.pool().code_epoch(),
            setting,
            home: mem.home_address(match setting.mode {
                CodeMode::Bits64 => Width::Bits64,
                _ => Width::Bits32,
            }),
        };
        if self.current.is_none_or(|(current, _)| current != context) {
            if self.current.is_none_or(|(current, _)| current.space != context.space) {
                mem.note_turn();
            }
            let stamp = self.stamp(seat, context);
            self.current = Some((context, stamp));
            seat.shared.stamp = u64::from(stamp) << STAMP_AT;
            seat.shared.tlb = seat.host.address(mem.tlb_address());
            self.noted = seat.shared.strays;
            let home = context.home.or_else(|| mem.pool().nowhere());
            // Where there is not even memory for a home where nothing is, nothing has been translated yet, and nothing will be.
            self.is_closed |= home.is_none();
            seat.shared.home = home.map_or(0, |home| seat.host.address(home));
        }
    }

    fn stamp<H: CodeHost>(&mut self, seat: &mut Seat<'_, H>, context: Context) -> u32 {
        if let Some((_, stamp)) = self.contexts.iter().find(|(known, _)| *known == context) {
            return *stamp;
        }
        if self.next_stamp == STAMPS {
            seat.shared.jumps.fill(Jump::EMPTY);
            self.absent.fill(0);
            self.contexts.clear();
            self.next_stamp = 1;
        }
        self.stats.contexts += 1;
        let stamp = self.next_stamp;
        self.next_stamp += 1;
        // An older state of an address space never comes back.
        self.contexts.retain(|(known, _)| known.space != context.space || known.setting != context.setting);
        if self.contexts.len() == CONTEXTS {
            self.contexts.remove(0);
        }
        self.contexts.push((context, stamp));
        stamp
    }

    /// The translation of the code at an address.
    fn find<H: CodeHost>(
        &mut self,
        seat: &mut Seat<'_, H>,
        mem: &AddressSpace,
        key: Key,
    ) -> Option<Entrance> {
        let (at, word) = (Jump::index(key.pc), Jump::key(seat.shared.stamp, key.pc));
        let entry = seat.shared.jumps[at];
        if entry.key == word {
            return Some(entry.entrance());
        }
        if self.absent[at] == word {
            return None;
        }
        let Some(entrance) = self.translations.find(mem, key) else {
            // Code that is looked at is noticed when it is written to, which makes another context.
            self.enter(seat, mem, key.setting);
            self.absent[at] = if key.pc >> STAMP_AT == 0 { Jump::key(seat.shared.stamp, key.pc) } else { 0 };
            return None;
        };
        self.stats.found += 1;
        self.announce(seat, mem, key, entrance);
        Some(entrance)
    }

    /// Lets translated code find a function, and the other engine stop at it.
    fn announce<H: CodeHost>(
        &mut self,
        seat: &mut Seat<'_, H>,
        mem: &AddressSpace,
        key: Key,
        entrance: Entrance,
    ) {
        // Looking at pages may have changed the context.
        self.enter(seat, mem, key.setting);
        if key.pc >> STAMP_AT == 0 {
            self.absent[Jump::index(key.pc)] = 0;
            seat.shared.jumps[Jump::index(key.pc)] = Jump::new(seat.shared.stamp, key.pc, entrance);
        }
        self.base.expect(key.pc, 0);
    }

    /// Has nobody find the translation at an address any more.
    fn forget<H: CodeHost>(&mut self, seat: &mut Seat<'_, H>, key: Key) {
        self.translations.remove(key);
        let entry = &mut seat.shared.jumps[Jump::index(key.pc)];
        if entry.key == Jump::key(seat.shared.stamp, key.pc) {
            *entry = Jump::EMPTY;
        }
        seat.shared.better[Jump::index(key.pc)] = 0;
        self.base.expect(key.pc, self.tuning.threshold);
    }

    /// Takes note of what it was worth to give way to translated code: changing over costs as much as some tens of instructions.
    fn weigh(&mut self, pc: u64, done: u64) {
        let visits = &mut self.visits[Jump::index(pc)];
        if visits.pc != pc {
            *visits = Visits { pc, count: 0, done: 0 };
        }
        visits.count += 1;
        visits.done += done;
        if visits.count == VISITS {
            if visits.done < u64::from(VISITS) * self.tuning.visit {
                // Code that calls it may be translated by then.
                self.base.expect(pc, self.tuning.again);
            }
            *visits = Visits::default();
        }
    }

    /// Counts how often translated code has left for an address that is not translated: whether that is often enough for a translation of its own. Each
    /// time costs more than what is interpreted there, so that fewer are than of arrivals.
    fn is_left_often(&mut self, pc: u64) -> bool {
        let known = &mut self.leaves[Jump::index(pc)];
        let count = if known.0 == pc { known.1 + 1 } else { 1 };
        let often = count >= self.tuning.leaves;
        *known = (pc, if often { count / 2 } else { count });
        often
    }

    /// Behind code that has left for an access, now and then: accesses that are checked together may be in two pages, which then have to be
    /// in one piece. `stray` is what was looked for last, which may be that of an instruction further on.
    fn gather(&mut self, stray: u64, cpu: &CpuState, mem: &AddressSpace, setting: Setting) {
        if !self.stats.stops.is_multiple_of(GATHER) {
            return;
        }
        mem.gather(stray);
        mem.gather(cpu.gpr[4]);
        let code: Guest<'_, B> =
            Guest { mem, base: None, setting, known: None, apart: None, called: None, reach: 0 };
        let Some(insn) = decode_at(&code, cpu.rip, setting, self.features) else { return };
        for operand in insn.operands.iter() {
            if let Operand::Mem(at) = operand {
                let register = |number: u8| cpu.gpr.get(usize::from(number)).copied().unwrap_or(0);
                let offset = register(at.base).wrapping_add(register(at.index).wrapping_mul(at.scale.into()));
                mem.gather(offset.wrapping_add(at.disp as u64) & setting.mask());
            }
        }
    }

    /// Looks, now and then, which instruction is left to the other engine.
    fn sample(&mut self, cpu: &mut CpuState, mem: &AddressSpace, key: Key) {
        self.left += 1;
        if !self.left.is_multiple_of(SAMPLE) {
            return;
        }
        let setting = key.setting;
        let code: Guest<'_, B> =
            Guest { mem, base: None, setting, known: None, apart: None, called: None, reach: 0 };
        let insn = decode_at(&code, key.pc, key.setting, self.features);
        *self.left_by_name.entry(insn.map_or("none", |insn| insn.op.name())).or_default() += SAMPLE;
        // Arithmetic whose results have all been exact so far, again and again: were one to be inexact, translated code would
        // not say so. It is taken for granted that one has been (ADR 6).
        let exact = cpu.mxcsr & mxcsr::MASK | mxcsr::PE == mxcsr::PRECISE;
        if exact && insn.is_some_and(|insn| asks_for_precision(&insn, key.setting)) {
            cpu.mxcsr |= mxcsr::PE;
        }
        // The same of x87.
        if u64::from(cpu.fpu.control) & fpu::CONTROL_MASK == fpu::CONTROL
            && insn.is_some_and(|insn| is_x87(&insn) && takes(&insn, key.setting))
        {
            cpu.fpu.status |= fpu::PE as u16;
        }
    }

    /// Gives all translations up. None of them is running: what is installed takes their places.
    fn clear<H: CodeHost>(&mut self, seat: &mut Seat<'_, H>) {
        self.stats.clears += 1;
        self.translations.clear();
        self.jumps.clear();
        seat.shared.jumps.fill(Jump::EMPTY);
        self.kept = Kept::default();
        // A host that cannot make a new table has no room in the old one either: then the other engine does all.
        self.full = false;
        self.is_closed = seat.host.clear().is_err();
    }

    /// Calls translated code. Gives the instructions done, all that ran within it among them.
    fn call<H: CodeHost>(
        &mut self,
        seat: &mut Seat<'_, H>,
        entrance: Entrance,
        mem: &AddressSpace,
        cpu: &mut CpuState,
        budget: i64,
        depth: u32,
    ) -> u64 {
        let host = seat.host;
        // Now, since no translated code that runs has looked anything up: what waits within a call looks again.
        if seat.shared.strays - self.noted >= NOTED {
            self.noted = seat.shared.strays;
            mem.bring_home(seat.shared.stray);
        }
        seat.shared.flags = PendingFlags::load(cpu.rflags);
        self.ration(seat, budget);
        let mut within = 0;
        let depth = depth | entrance.in_depth();
        host.call(entrance.slot, mem, cpu, seat.shared, depth, &mut |cpu, shared, back, depth| {
            let (leave, done) = self.go_on(&mut Seat { host, shared }, mem, cpu, back, depth);
            within += done;
            leave
        });
        self.leaving = false;
        let shared = &mut *seat.shared;
        cpu.rflags = cpu.rflags & !flags::OSZAPC | shared.flags.bits();
        let done = (budget - shared.budget - self.reserve).max(0) as u64;
        let own = done.saturating_sub(within);
        cpu.tsc = cpu.tsc.wrapping_add(own);
        self.stats.entries += 1;
        self.stats.translated += own;
        self.stats.stops += u64::from(shared.reason == reason::STOP);
        done
    }

    /// Gives translated code a part of what may still be done.
    fn ration<H: CodeHost>(&mut self, seat: &mut Seat<'_, H>, budget: i64) {
        let part = budget.min(self.tuning.slice as i64);
        self.reserve = budget - part;
        (seat.shared.budget, seat.shared.reason) = (part, reason::RETURN);
    }

    /// Goes on, within a call of translated code, until an address is reached to which another call in it is to come back. Whether
    /// translated code is to be left instead, and the instructions done.
    fn go_on<H: CodeHost>(
        &mut self,
        seat: &mut Seat<'_, H>,
        mem: &AddressSpace,
        cpu: &mut CpuState,
        back: u64,
        depth: u32,
    ) -> (bool, u64) {
        self.leaving |= depth <= RUN;
        if self.leaving {
            return (true, 0);
        }
        let (budget, stamp) = (seat.shared.budget + self.reserve, seat.shared.stamp);
        let spent = seat.shared.budget <= 0;
        cpu.rflags = cpu.rflags & !flags::OSZAPC | seat.shared.flags.bits();
        let setting = self.segments.setting(cpu);
        if let Some(setting) = setting {
            if spent {
                self.look(seat, mem, Key { pc: cpu.rip, setting });
            }
            match seat.shared.reason {
                reason::LEARN => self.learn(seat, mem, Key { pc: cpu.rip, setting }),
                reason::STOP => {
                    self.stats.stops += 1;
                    self.gather(seat.shared.stray, cpu, mem, setting);
                }
                _ => {}
            }
        }
        self.base.watch(back);
        self.awaited.push(back);
        let until = Until { pc: back, sp: cpu.gpr[4] };
        let (exit, done) =
            self.run(seat, cpu, mem, budget.max(0) as u64, Some((until, setting)), depth - RUN);
        self.awaited.pop();
        self.base.unwatch();
        self.ended = exit;
        seat.shared.flags = PendingFlags::load(cpu.rflags);
        self.ration(seat, budget - done as i64);
        // The code that waits may have changed meanwhile, or is not worth to be gone back to.
        self.leaving = self.ended.is_some() || seat.shared.stamp != stamp || self.changes.alone > 0;
        (self.leaving, done)
    }

    /// Has the other engine go on by itself, whatever is translated. What has happened, if not that the budget is spent, and the instructions done.
    fn interpret(&mut self, cpu: &mut CpuState, mem: &AddressSpace, budget: u64) -> (Option<Exit>, u64) {
        let RunOutcome { exit, retired } = self.base.run(cpu, mem, budget);
        self.stats.interpreted += retired;
        (Some(exit).filter(|exit| *exit != Exit::Budget), retired)
    }

    /// Runs until something happens, the budget is spent, or where `until` says, beside which stands what the running code is translated for: then there is
    /// no exit, and note is taken of what is running. Gives the instructions done.
    fn run<H: CodeHost>(
        &mut self,
        seat: &mut Seat<'_, H>,
        cpu: &mut CpuState,
        mem: &AddressSpace,
        budget: u64,
        until: Option<(Until, Option<Setting>)>,
        depth: u32,
    ) -> (Option<Exit>, u64) {
        let mut retired = 0;
        let (until, mut known) = until.unzip();
        // Whether translated code may go on where the last one ended.
        let mut look = seat.shared.reason != reason::STOP || until.is_none();
        // Where the other engine has given way to translated code.
        let mut arrival = None;
        // Whether control comes from translated code.
        let mut left = until.is_some();
        while retired < budget {
            let setting = known.take().unwrap_or_else(|| self.segments.setting(cpu));
            if let Some(setting) = setting {
                self.enter(seat, mem, setting);
            }
            if until.is_some_and(|until| until.is_reached(cpu)) {
                return (None, retired);
            }
            let rest = budget - retired;
            let Some(setting) = setting else {
                // A few at a time: what forbids translated code mostly passes soon.
                let (exit, done) = self.interpret(cpu, mem, rest.min(UNUSUAL_SLICE));
                retired += done;
                if exit.is_some() {
                    return (exit, retired);
                }
                continue;
            };
            if self.changes.alone > 0 && until.is_none() {
                let alone = core::mem::take(&mut self.changes.alone);
                let (exit, done) = self.interpret(cpu, mem, rest.min(alone));
                retired += done;
                if exit.is_some() {
                    return (exit, retired);
                }
                (look, left, arrival) = (true, false, None);
                continue;
            }
            let key = Key { pc: cpu.rip, setting };
            if look && let Some(entrance) = self.find(seat, mem, key) {
                let done = self.call(seat, entrance, mem, cpu, rest.min(i64::MAX as u64) as i64, depth);
                retired += done;
                left = true;
                if let Some(exit) = self.ended.take() {
                    return (Some(exit), retired);
                }
                if let Some(pc) = arrival.take() {
                    self.weigh(pc, done);
                }
                look = done > 0 && seat.shared.reason != reason::STOP;
                if !look {
                    self.gather(seat.shared.stray, cpu, mem, setting);
                }
                if seat.shared.reason == reason::LEARN {
                    self.learn(seat, mem, Key { pc: cpu.rip, setting });
                } else if seat.shared.budget <= 0 {
                    self.look(seat, mem, Key { pc: cpu.rip, setting });
                }
                continue;
            }
            if core::mem::take(&mut left) {
                if look && self.is_left_often(key.pc) {
                    self.arrived(seat, mem, key);
                    continue;
                }
                self.changes.note(self.stats.translated);
            }
            let start = if look { Start::Arrival } else { Start::Middle };
            self.sample(cpu, mem, key);
            let (pause, done) = self.base.run_profiled(cpu, mem, rest, start);
            self.stats.interpreted += done;
            retired += done;
            match pause {
                Pause::Exit(exit) => return (Some(exit), retired),
                Pause::Arrived => {
                    let Some(setting) = known.insert(self.segments.setting(cpu)) else { continue };
                    let key = Key { pc: cpu.rip, setting: *setting };
                    self.enter(seat, mem, key.setting);
                    if self.awaited.contains(&cpu.rip) {
                        // Somebody waits there, but not now.
                        look = self.find(seat, mem, key).is_some();
                        continue;
                    }
                    self.arrived(seat, mem, key);
                    (look, arrival) = (true, Some(cpu.rip));
                }
            }
        }
        (Some(Exit::Budget), retired)
    }
}

impl<B: BaseEngine, H: CodeHost> ExecEngine for Jit<B, H> {
    fn run(&mut self, cpu: &mut CpuState, mem: &AddressSpace, budget: u64) -> RunOutcome {
        let mut seat = Seat { host: &self.host, shared: &mut self.shared };
        let depth = self.core.tuning.depth;
        if self.core.full {
            self.core.clear(&mut seat);
        }
        let strays = seat.shared.strays;
        let (exit, retired) = self.core.run(&mut seat, cpu, mem, budget, None, depth);
        // Now, since no translated code waits that knows where the home is.
        mem.miss_home(seat.shared.strays - strays);
        RunOutcome { exit: exit.unwrap_or(Exit::Budget), retired }
    }

    fn cpuid(&self) -> Cpuid {
        self.core.base.cpuid()
    }

    fn seed(&mut self, entropy: &[u8; 32]) {
        self.core.base.seed(entropy);
    }

    fn counters(&self, each: &mut dyn FnMut(&'static str, u64)) {
        let JitStats {
            regions,
            quick,
            arms,
            modules,
            bytes,
            translated,
            interpreted,
            entries,
            stops,
            clears,
            contexts,
            found,
        } = self.core.stats;
        each("jit_regions", regions);
        each("jit_quick", quick);
        each("jit_arms", arms);
        let [spent_on_quick, spent_on_best] = self.core.spent;
        each("jit_translated", spent_on_quick + spent_on_best);
        each("jit_translated_best", spent_on_best);
        each("jit_modules", modules);
        each("jit_module_bytes", bytes);
        each("jit_instructions", translated);
        each("jit_interpreted", interpreted);
        each("jit_entries", entries);
        each("jit_stops", stops);
        each("jit_clears", clears);
        each("jit_contexts", contexts);
        each("jit_found", found);
        each("jit_kept_modules", self.core.kept.modules as u64);
        each("jit_kept_bytes", self.core.kept.bytes as u64);
        each("jit_left", self.core.left);
        each("jit_strays", self.shared.strays);
        self.core.left_by_name.iter().for_each(|(name, count)| each(name, *count));
        self.core.base.counters(each);
    }
}
