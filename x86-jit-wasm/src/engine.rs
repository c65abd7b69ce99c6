//! The engine: translated code where there is some, another engine where there is none.

use crate::cache::{Key, Translations, Version};
use crate::guest::Guest;
use crate::host::{CodeError, CodeHost};
use crate::layout::{JUMPS, Jump, Places, STAMP_AT, STAMPS, Shared, fpu, mxcsr, reason};
use crate::learn::Jumps;
use crate::lift::{asks_for_precision, is_x87, takes};
use crate::pending::PendingFlags;
use crate::region::{Region, Setting};
use crate::search::decode_at;
use crate::segments::KnownSegments;
use crate::translate;
use crate::tuning::Tuning;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use guest_mem::{AddressSpace, TlbLayout};
use x86_cpu::{BaseEngine, CpuState, Cpuid, ExecEngine, Exit, Pause, RunOutcome, Start, flags};
use x86_decode::{FeatureSet, Operand};

/// What an engine has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JitStats {
    /// Regions translated.
    pub regions: u64,
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
    queue: Queue,
    segments: KnownSegments,
    /// What the stamp in `shared` stands for.
    current: Option<(Context, u32)>,
    /// Contexts that processes alternate between.
    contexts: Vec<(Context, u32)>,
    next_stamp: u32,
    /// Places in the table of functions that are taken.
    taken: Vec<(u32, u32)>,
    stats: JitStats,
    /// By [`Jump::index`].
    visits: Vec<Visits>,
    /// [Keys](Jump::key) at which there is no translation, by [`Jump::index`].
    absent: Vec<u64>,
    /// Where translated code has left for, by [`Jump::index`], and how often.
    leaves: Vec<(u64, u32)>,
    /// Instructions translated.
    spent: u64,
    /// The same, and what was not made use of when it could have been.
    charged: u64,
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

/// How much faster translated code is, for what may go into translating it anew.
const TRANSLATED_FASTER: u64 = 16;
/// Instructions that the other engine does in the time that a change to translated code and back takes.
const CHANGE: u64 = 40;
/// Instructions after which it is looked whether translated code may run again.
const UNUSUAL_SLICE: u64 = 64;
/// One in so many is looked at closely.
const SAMPLE: u64 = 64;
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

/// Hot code that waits for more to be translated together.
#[derive(Debug, Default)]
struct Queue {
    /// The address space that it is in.
    space: u64,
    keys: Vec<Key>,
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
            reason: reason::JUMP,
            origin: 0,
            region: 0,
            sample: tuning.sample,
            jumps: Jump::table(),
        });
        let core = Core {
            base,
            tuning,
            features,
            translations: Translations::default(),
            jumps: Jumps::default(),
            queue: Queue::default(),
            segments: KnownSegments::default(),
            current: None,
            contexts: Vec::new(),
            next_stamp: 1,
            taken: Vec::new(),
            stats: JitStats::default(),
            visits: vec![Visits::default(); JUMPS],
            absent: vec![0; JUMPS],
            leaves: vec![(0, 0); JUMPS],
            spent: 0,
            charged: 0,
            left: 0,
            left_by_name: BTreeMap::new(),
            awaited: Vec::new(),
            ended: None,
            leaving: false,
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
        };
        if self.current.is_none_or(|(current, _)| current != context) {
            let stamp = self.stamp(seat, context);
            self.current = Some((context, stamp));
            seat.shared.stamp = u64::from(stamp) << STAMP_AT;
            seat.shared.tlb = seat.host.address(mem.tlb_address());
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

    /// The function of the code at an address.
    fn find<H: CodeHost>(&mut self, seat: &mut Seat<'_, H>, mem: &AddressSpace, key: Key) -> Option<u32> {
        let (at, word) = (Jump::index(key.pc), Jump::key(seat.shared.stamp, key.pc));
        let entry = seat.shared.jumps[at];
        if entry.key == word {
            return Some(entry.slot());
        }
        if self.absent[at] == word {
            return None;
        }
        let Some(slot) = self.translations.find(mem, key) else {
            // Code that is looked at is noticed when it is written to, which makes another context.
            self.enter(seat, mem, key.setting);
            self.absent[at] = if key.pc >> STAMP_AT == 0 { Jump::key(seat.shared.stamp, key.pc) } else { 0 };
            return None;
        };
        self.announce(seat, mem, key, slot);
        Some(slot)
    }

    /// Lets translated code find a function, and the other engine stop at it.
    fn announce<H: CodeHost>(&mut self, seat: &mut Seat<'_, H>, mem: &AddressSpace, key: Key, slot: u32) {
        // Looking at pages may have changed the context.
        self.enter(seat, mem, key.setting);
        if key.pc >> STAMP_AT == 0 {
            self.absent[Jump::index(key.pc)] = 0;
            seat.shared.jumps[Jump::index(key.pc)] = Jump::new(seat.shared.stamp, key.pc, slot);
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
        self.base.expect(key.pc, self.tuning.threshold);
    }

    /// Deals with a block that is hot; `alone` where it is not to become part of the regions that are left for it.
    fn arrived<H: CodeHost>(&mut self, seat: &mut Seat<'_, H>, mem: &AddressSpace, key: Key, alone: bool) {
        if self.find(seat, mem, key).is_some() {
            return;
        }
        if self.translations.versions(key) >= self.tuning.versions {
            self.base.expect(key.pc, u32::MAX);
            return;
        }
        // Modules are dear, however small: others that are about to be as hot go into the same one.
        if self.queue.space != mem.id() {
            self.queue = Queue { space: mem.id(), keys: Vec::new() };
        }
        if !self.may_spend() {
            self.base.expect(key.pc, self.tuning.threshold);
            return;
        }
        let again = self.queue.keys.contains(&key);
        // A region is left for it again and again: it is missed there, though another has it.
        let missed = self.translations.is_exit(key);
        if !again && !missed && self.translations.was_interior(key) {
            self.base.expect(key.pc, self.tuning.threshold.saturating_mul(self.tuning.interior));
            return;
        }
        let more = self.translations.weigh_renewal(key).unwrap_or(0).saturating_mul(self.tuning.renewal);
        let more = more.min(self.tuning.threshold.saturating_mul(self.tuning.interior));
        if !again && !alone && more > self.tuning.threshold {
            self.base.expect(key.pc, more - self.tuning.threshold);
            return;
        }
        if !again {
            // What is behind the exit of a region is translated with that region, as it is worth having after all.
            let parents = if alone && self.translations.part(key) {
                Vec::new()
            } else {
                self.translations.parents(key, self.tuning.renewals)
            };
            self.queue.keys.push(key);
            for parent in parents {
                if !self.queue.keys.contains(&parent) {
                    self.queue.keys.push(parent);
                }
            }
        }
        if again || self.queue.keys.len() >= self.tuning.batch {
            let keys = core::mem::take(&mut self.queue.keys);
            if self.compile(seat, mem, &keys).is_err() || self.find(seat, mem, key).is_none() {
                self.base.expect(key.pc, u32::MAX);
            }
        } else {
            self.base.expect(key.pc, self.tuning.threshold);
        }
    }

    /// Whether translating has not taken more than its share of time yet. What a long run has left over does not pay for all that starts after it.
    fn may_spend(&mut self) -> bool {
        let Tuning { credit, price, saved, .. } = self.tuning;
        let other = self.stats.interpreted + self.left * CHANGE;
        let share = credit + other / price + self.stats.translated / (price * TRANSLATED_FASTER);
        self.charged = self.charged.max(share.saturating_sub(saved));
        self.charged <= share
    }

    /// Deals with an indirect jump that translated code has reported.
    fn learn<H: CodeHost>(&mut self, seat: &mut Seat<'_, H>, mem: &AddressSpace, target: Key) {
        let (jump, root) =
            (Key { pc: seat.shared.origin, ..target }, Key { pc: seat.shared.region, ..target });
        if root == jump && root == target {
            self.merge(seat, mem, root);
            return;
        }
        let Some(reports) = self.jumps.report(root, jump, target.pc) else { return };
        // What it has cost so far may pay for it alone.
        let paid = u64::from(reports) * CHANGE >= u64::from(self.translations.size(root)) * self.tuning.price;
        if !(paid || self.may_spend()) || self.find(seat, mem, root).is_none() {
            return;
        }
        // Others that are about to be known as well go into the same module.
        if self.queue.space != mem.id() {
            self.queue = Queue { space: mem.id(), keys: Vec::new() };
        }
        let now = self.queue.keys.contains(&root);
        self.jumps.use_reports(jump, now);
        if !now {
            self.queue.keys.push(root);
            return;
        }
        let keys = core::mem::take(&mut self.queue.keys);
        // Where there is no room, it stays as it is.
        let _ = self.compile(seat, mem, &keys);
    }

    /// Deals with a region that stands for an exit of others, of which so many entries have been counted: it may be worth translating those anew, with it.
    fn merge<H: CodeHost>(&mut self, seat: &mut Seat<'_, H>, mem: &AddressSpace, exit: Key) {
        let Tuning { sample, merge, merged, .. } = self.tuning;
        seat.shared.sample = sample;
        let entries = u64::from(self.translations.entered(exit)) * u64::from(sample);
        let enough = u64::from(self.translations.around(exit)) * u64::from(merge);
        if entries < enough.min(merged.into()) || !self.may_spend() {
            return;
        }
        if self.queue.space != mem.id() {
            self.queue = Queue { space: mem.id(), keys: Vec::new() };
        }
        // Modules are dear: others that are about to be worth it go into the same one.
        let parents = self.translations.parents(exit, self.tuning.renewals);
        let waited = parents.is_empty() && self.translations.unite(exit);
        for parent in parents {
            if !self.queue.keys.contains(&parent) {
                self.queue.keys.push(parent);
            }
        }
        if waited || self.queue.keys.len() >= self.tuning.batch {
            let keys = core::mem::take(&mut self.queue.keys);
            let _ = self.compile(seat, mem, &keys);
        }
    }

    /// Translates the code at addresses, and what it calls.
    fn compile<H: CodeHost>(
        &mut self,
        seat: &mut Seat<'_, H>,
        mem: &AddressSpace,
        keys: &[Key],
    ) -> Result<(), CodeError> {
        let mut regions: Vec<Region> = Vec::new();
        let mut seen: BTreeSet<Key> = keys.iter().copied().collect();
        let mut open: Vec<Key> = keys.to_vec();
        let bar = self.tuning.threshold / self.tuning.colder + 1;
        // A function of which little is known yet would be cut short everywhere.
        let callee_bar = self.tuning.threshold / 4 + 1;
        let (mut arms, mut owners) = (BTreeSet::new(), BTreeSet::new());
        let mut joined: Vec<Key> = Vec::new();
        loop {
            let Some(key) = open.pop() else {
                joined.retain(|root| !arms.contains(root));
                let Some(root) = joined.pop() else { break };
                self.jumps.part(root);
                open.push(root);
                continue;
            };
            if arms.contains(&key) || self.jumps.is_arm(key) && self.find(seat, mem, key).is_some() {
                continue;
            }
            let translations = &self.translations;
            let is_there = |other: Key| {
                translations.has(mem, other) || regions.iter().any(|region| region.entry() == other.pc)
            };
            let may_join = !owners.contains(&key);
            let reach = self.tuning.limits.reach;
            if let Some(owner) = may_join.then(|| self.jumps.join(key, reach, is_there)).flatten() {
                // Both become one.
                joined.push(key);
                owners.insert(owner);
                regions.retain(|region| region.entry() != owner.pc);
                if !open.contains(&owner) {
                    open.push(owner);
                }
                continue;
            }
            let known = Some((&self.jumps, &self.translations));
            let code = Guest { mem, base: Some((&self.base, bar)), setting: key.setting, known, reach };
            let mut region = Region::discover(&code, key.pc, key.setting, self.features, self.tuning.limits);
            region.sampled = self.translations.is_alone(key);
            if region.is_empty() {
                continue;
            }
            if region.arms.is_empty() {
                self.jumps.alone(key);
            } else {
                for arm in self.jumps.own(key, region.entries()) {
                    self.forget(seat, arm);
                }
            }
            arms.extend(region.entries().skip(1).map(|pc| Key { pc, ..key }));
            for pc in region.calls() {
                let key = Key { pc, ..key };
                let new = seen.len() < 2 * self.tuning.batch
                    && self.base.arrivals(mem, pc) >= callee_bar
                    && seen.insert(key);
                if new && self.find(seat, mem, key).is_none() {
                    open.push(key);
                }
            }
            regions.push(region);
        }
        regions.retain(|region| !arms.contains(&Key { pc: region.entry(), setting: region.setting }));
        if regions.is_empty() {
            return Ok(());
        }
        let count = regions.iter().map(|region| region.entries().count()).sum::<usize>();
        let functions = self.translations.len() + count;
        let modules = self.taken.len() + 1;
        let places = self.taken.iter().map(|(_, count)| *count as usize).sum::<usize>() + count;
        let Tuning { capacity, modules: most, places: room, .. } = self.tuning;
        if functions > capacity || modules > most || modules * places > room {
            self.clear(seat);
        }
        let count = count as u32;
        let first = seat.host.reserve(count)?;
        let places = Places {
            shared: seat.host.address((&raw const *seat.shared).expose_provenance()),
            jumps: seat.host.address(seat.shared.jumps.as_ptr().expose_provenance()),
            tlb: TlbLayout::OWN,
        };
        let module = translate(&regions, &places, first);
        seat.host.install(&module)?;
        self.taken.push((first, count));
        self.stats.modules += 1;
        let instructions = regions.iter().map(|region| region.instructions() as u64).sum::<u64>();
        (self.spent, self.charged) = (self.spent + instructions, self.charged + instructions);
        self.stats.regions += regions.len() as u64;
        self.stats.arms += regions.iter().map(|region| region.arms.len() as u64).sum::<u64>();
        self.stats.bytes += module.len() as u64;
        let mut slots = first..;
        for region in &regions {
            let version = Version::of(mem, region);
            self.translations.know(Key { pc: region.entry(), setting: region.setting }, region);
            for (pc, slot) in region.entries().zip(&mut slots) {
                let Some(version) = &version else { continue };
                let key = Key { pc, setting: region.setting };
                self.translations.insert(key, version.at(slot));
                self.announce(seat, mem, key, slot);
            }
        }
        Ok(())
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
                self.base.expect(pc, self.tuning.threshold.saturating_mul(self.tuning.interior));
            }
            *visits = Visits::default();
        }
    }

    /// Whether what is at an address may become a region of its own, although others are left for it. What belongs to an interpreter's loop would only come
    /// back to its switch, and become part of it one by one.
    fn may_part(&self, exit: Key) -> bool {
        !self.translations.left_at(exit).iter().any(|parent| self.jumps.has(*parent))
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
    /// in one piece.
    fn gather(&mut self, cpu: &CpuState, mem: &AddressSpace, setting: Setting) {
        if !self.stats.stops.is_multiple_of(GATHER) {
            return;
        }
        mem.gather(cpu.gpr[4]);
        let code: Guest<'_, B> = Guest { mem, base: None, setting, known: None, reach: 0 };
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
        let code: Guest<'_, B> = Guest { mem, base: None, setting: key.setting, known: None, reach: 0 };
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

    /// Gives all translations up.
    fn clear<H: CodeHost>(&mut self, seat: &mut Seat<'_, H>) {
        self.stats.clears += 1;
        self.translations.clear();
        self.jumps.clear();
        seat.shared.jumps.fill(Jump::EMPTY);
        for (first, count) in self.taken.drain(..) {
            seat.host.remove(first, count);
        }
    }

    /// Calls translated code. Gives the instructions done, all that ran within it among them.
    fn call<H: CodeHost>(
        &mut self,
        seat: &mut Seat<'_, H>,
        slot: u32,
        mem: &AddressSpace,
        cpu: &mut CpuState,
        budget: i64,
        depth: u32,
    ) -> u64 {
        let host = seat.host;
        seat.shared.flags = PendingFlags::load(cpu.rflags);
        (seat.shared.budget, seat.shared.reason) = (budget, reason::RETURN);
        let mut within = 0;
        host.call(slot, mem, cpu, seat.shared, depth, &mut |cpu, shared, back, depth| {
            let (leave, done) = self.go_on(&mut Seat { host, shared }, mem, cpu, back, depth);
            within += done;
            leave
        });
        self.leaving = false;
        let shared = &mut *seat.shared;
        cpu.rflags = cpu.rflags & !flags::OSZAPC | shared.flags.bits();
        let done = (budget - shared.budget).max(0) as u64;
        let own = done.saturating_sub(within);
        cpu.tsc = cpu.tsc.wrapping_add(own);
        self.stats.entries += 1;
        self.stats.translated += own;
        self.stats.stops += u64::from(shared.reason == reason::STOP);
        done
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
        let (budget, stamp) = (seat.shared.budget, seat.shared.stamp);
        cpu.rflags = cpu.rflags & !flags::OSZAPC | seat.shared.flags.bits();
        let setting = self.segments.setting(cpu);
        if let Some(setting) = setting {
            match seat.shared.reason {
                reason::LEARN => self.learn(seat, mem, Key { pc: cpu.rip, setting }),
                reason::STOP => {
                    self.stats.stops += 1;
                    self.gather(cpu, mem, setting);
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
        (seat.shared.budget, seat.shared.reason) = (budget - done as i64, reason::RETURN);
        // The code that waits may have changed meanwhile.
        self.leaving = self.ended.is_some() || seat.shared.stamp != stamp;
        (self.leaving, done)
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
                let outcome = self.base.run(cpu, mem, rest.min(UNUSUAL_SLICE));
                self.stats.interpreted += outcome.retired;
                retired += outcome.retired;
                if outcome.exit != Exit::Budget {
                    return (Some(outcome.exit), retired);
                }
                continue;
            };
            let key = Key { pc: cpu.rip, setting };
            if look && let Some(slot) = self.find(seat, mem, key) {
                let done = self.call(seat, slot, mem, cpu, rest.min(i64::MAX as u64) as i64, depth);
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
                    self.gather(cpu, mem, setting);
                }
                if seat.shared.reason == reason::LEARN {
                    self.learn(seat, mem, Key { pc: cpu.rip, setting });
                }
                continue;
            }
            if core::mem::take(&mut left) && look && self.is_left_often(key.pc) && self.may_part(key) {
                self.arrived(seat, mem, key, true);
                continue;
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
                    self.arrived(seat, mem, key, false);
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
        let (exit, retired) = self.core.run(&mut seat, cpu, mem, budget, None, depth);
        RunOutcome { exit: exit.unwrap_or(Exit::Budget), retired }
    }

    fn cpuid(&self) -> Cpuid {
        self.core.base.cpuid()
    }

    fn seed(&mut self, entropy: &[u8; 32]) {
        self.core.base.seed(entropy);
    }

    fn counters(&self, each: &mut dyn FnMut(&'static str, u64)) {
        let JitStats { regions, arms, modules, bytes, translated, interpreted, entries, stops, clears } =
            self.core.stats;
        each("jit_regions", regions);
        each("jit_arms", arms);
        each("jit_translated", self.core.spent);
        each("jit_modules", modules);
        each("jit_module_bytes", bytes);
        each("jit_instructions", translated);
        each("jit_interpreted", interpreted);
        each("jit_entries", entries);
        each("jit_stops", stops);
        each("jit_clears", clears);
        each("jit_left", self.core.left);
        self.core.left_by_name.iter().for_each(|(name, count)| each(name, *count));
        self.core.base.counters(each);
    }
}
