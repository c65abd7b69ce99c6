//! A machine, as the worker drives it.

use crate::block::BlockHandle;
use crate::clock;
use crate::code_host::{eager_translator, offer_homes, translator};
use crate::error::{error, from_errno, from_mount, number, text};
use crate::process::{Printed, ProcessHandle, Streams};
use crate::tree::TreeHandle;
use cx_runtime::machine::split_mounts;
use cx_runtime::{
    Engine, Errno, FileInfo, Host, Level, Machine, MachineConfig, MachineError, MountSource, MountSpec,
    NewFile, Reply, SpawnRequest, Stdio, Turn,
};
use guest_mem::FramePool;
use js_sys::{Array, Object, Reflect, Uint8Array};
use std::fmt;
use std::rc::Rc;
use vfs::{Attributes, FileType, Timestamp};
use wasm_bindgen::convert::TryFromJsValue;
use wasm_bindgen::prelude::*;

/// Pages of guest memory in a MiB.
const PAGES_PER_MIB: f64 = 256.0;
/// What a 32-bit WebAssembly memory can hold of guest memory beside the engine's own, in MiB.
const MOST_MEMORY: f64 = 2048.0;
const USUAL_MEMORY: f64 = 768.0;
/// Where programs named without a slash are looked for when the environment does not say (execvp(3)).
const USUAL_PATH: &[u8] = b"/bin:/usr/bin";

#[wasm_bindgen]
extern "C" {
    /// What a machine tells the worker.
    #[derive(Clone, Debug)]
    pub type JsHost;
    #[wasm_bindgen(method)]
    fn log(this: &JsHost, line: &str);
    #[wasm_bindgen(method, js_name = processCreated)]
    fn process_created(this: &JsHost);
    /// There is something to run.
    #[wasm_bindgen(method)]
    fn wake(this: &JsHost);
}

struct WorkerHost(JsHost);

impl Host for WorkerHost {
    fn entropy(&self, out: &mut [u8]) {
        clock::entropy(out);
    }

    fn log(&self, line: &str) {
        self.0.log(line);
    }
}

/// A machine that is turned by the worker.
#[derive(Clone)]
pub(crate) struct Driven {
    machine: Machine,
    host: JsHost,
}

impl Driven {
    /// Waits for a job of the machine; `what` is what a failure was about.
    async fn settled<T>(&self, reply: Reply<Result<T, Errno>>, what: &str) -> Result<T, JsValue> {
        self.host.wake();
        match reply.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(errno)) => Err(from_errno(errno, what)),
            Err(_) => Err(error("EDELETED", "the machine was deleted", None)),
        }
    }

    pub(crate) async fn read_file(&self, path: &str) -> Result<Uint8Array, JsValue> {
        let content = self.settled(self.machine.read_file(path), path).await?;
        Ok(Uint8Array::from(content.as_slice()))
    }

    pub(crate) async fn write_file(&self, path: &str, bytes: Vec<u8>, mode: u32) -> Result<(), JsValue> {
        if let Some((parent, _)) = path.rsplit_once('/').filter(|(parent, _)| !parent.is_empty()) {
            self.settled(self.machine.make_directories(parent, 0o755), parent).await?;
        }
        let file = NewFile { permissions: mode & 0o7777, ..NewFile::default() };
        self.settled(self.machine.write_file(path, bytes, file), path).await
    }

    pub(crate) async fn list(&self, path: &str) -> Result<Array, JsValue> {
        let entries = self.settled(self.machine.list_directory(path), path).await?;
        let entry = |info: &FileInfo| {
            let name = String::from_utf8_lossy(&info.name);
            entry(&name, info.file_type, info.size, info.permissions, info.modified)
        };
        Ok(entries.iter().map(entry).collect())
    }

    pub(crate) async fn remove(&self, path: &str) -> Result<(), JsValue> {
        self.settled(self.machine.remove(path), path).await
    }
}

/// A machine.
#[wasm_bindgen]
pub struct MachineHandle {
    driven: Driven,
    /// When it was made, on the worker's clock.
    origin: f64,
    console: Rc<Printed>,
}

impl fmt::Debug for MachineHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.driven.machine.fmt(f)
    }
}

fn from_machine(failure: &MachineError) -> JsValue {
    match failure {
        MachineError::Image { path, error } => from_mount(error, path),
        MachineError::Mount { errno, .. } => error("EMOUNT", &failure.to_string(), Some(*errno)),
        _ => error("EMOUNT", &failure.to_string(), None),
    }
}

/// The mounts that a page listed, and the file trees among them with their paths.
async fn mounts(
    list: &JsValue,
    pool: &FramePool,
) -> Result<(Vec<MountSpec>, Vec<(TreeHandle, String)>), JsValue> {
    let mut specs = Vec::new();
    let mut trees = Vec::new();
    for entry in Array::from(list).iter() {
        let path = text(&entry, "path").unwrap_or_default();
        let field = |name: &str| Reflect::get(&entry, &name.into()).unwrap_or(JsValue::UNDEFINED);
        let source = match text(&entry, "type").as_deref() {
            Some("ext2") => {
                let block = BlockHandle::try_from_js_value(field("block"))
                    .map_err(|_| error("EMOUNT", &format!("{path}: there is no device to mount"), None))?;
                let device = block.cached();
                MountSource::Ext2 { read_only: device.read_only(), device }
            }
            Some("dir") => {
                let tree = TreeHandle::try_from_js_value(field("tree"))
                    .map_err(|_| error("EMOUNT", &format!("{path}: there are no files to mount"), None))?;
                let fs = tree.attach(pool, specs.len() as u64).await?;
                trees.push((tree, path.clone()));
                MountSource::Files(fs)
            }
            Some("devs") => MountSource::Devices,
            Some("devpts") => MountSource::DevPts,
            Some("proc") => MountSource::Proc,
            Some("sys") => MountSource::Sys,
            Some("tmpfs") => MountSource::Tmpfs,
            _ => return Err(error("EMOUNT", &format!("{path}: unknown type of mount"), None)),
        };
        let devices = matches!(source, MountSource::Devices).then(|| format!("{path}/shm"));
        specs.push(MountSpec::new(&path, source));
        // POSIX shared memory is files there (shm_overview(7)).
        specs.extend(devices.map(|path| MountSpec::new(&path, MountSource::Tmpfs)));
    }
    Ok((specs, trees))
}

#[wasm_bindgen]
impl MachineHandle {
    /// A machine of `{memory?, hostname?, cpu?, strace?, mounts}`, where a mount is `{type, path, block?, tree?}`.
    pub async fn create(config: JsValue, host: JsHost) -> Result<MachineHandle, JsValue> {
        let origin = clock::milliseconds();
        let mebibytes = number(&config, "memory").unwrap_or(USUAL_MEMORY).clamp(16.0, MOST_MEMORY);
        let pool = FramePool::new((mebibytes * PAGES_PER_MIB * 1.5) as usize);
        let list = Reflect::get(&config, &"mounts".into())?;
        let (specs, trees) = mounts(&list, &pool).await?;
        let (root, mounts) = split_mounts(specs).map_err(|failure| from_machine(&failure))?;
        let cpu = match text(&config, "cpu") {
            None => Level::default(),
            Some(name) => Level::named(&name).ok_or_else(|| {
                let names = Level::ALL.map(Level::name).join(", ");
                error("EARGUMENT", &format!("there is no processor `{name}`; there are {names}"), None)
            })?,
        };
        let engine = match text(&config, "engine").as_deref() {
            Some("interp") => Engine::Interpreter,
            None | Some("jit") => Engine::On(translator),
            Some("jit-eager") => Engine::On(eager_translator),
            Some(name) => {
                let message = format!("there is no engine `{name}`; there are interp, jit, jit-eager");
                return Err(error("EARGUMENT", &message, None));
            }
        };
        if matches!(engine, Engine::On(_)) {
            offer_homes(&pool);
        }
        let defaults = MachineConfig::default();
        let settings = MachineConfig {
            engine,
            memory_mib: mebibytes as u64,
            hostname: text(&config, "hostname").unwrap_or(defaults.hostname),
            cpu,
            strace: Reflect::get(&config, &"strace".into())?.is_truthy(),
            root,
            mounts,
            standard_mounts: false,
            pool: Some(pool),
            ..MachineConfig::default()
        };
        let machine = Machine::new(settings, Box::new(WorkerHost(host.clone())), clock::now(origin)).await;
        let machine = machine.map_err(|failure| from_machine(&failure))?;
        let created = host.clone();
        machine.on_process_created(move |_| created.process_created());
        let driven = Driven { machine, host };
        for (tree, path) in trees {
            tree.attached(&driven, &path);
        }
        Ok(MachineHandle { driven, origin, console: Rc::default() })
    }

    /// Runs until about `until` on the worker's clock. 0 where more is ready, -1 where nothing is before input comes,
    /// else the moment at which something will be.
    pub fn run(&self, until: f64) -> f64 {
        loop {
            match self.driven.machine.turn(clock::now(self.origin)) {
                Turn::More if clock::milliseconds() < until => {}
                Turn::More => return 0.0,
                Turn::Idle(None) => return -1.0,
                Turn::Idle(Some(deadline)) => return self.origin + deadline.0 as f64 / 1e6,
            }
        }
    }

    /// Starts `{path, args, env, cwd, uid, gid, streams}`. A path without a slash is looked for in the PATH of `env`.
    pub async fn spawn(&self, request: JsValue) -> Result<ProcessHandle, JsValue> {
        let path = text(&request, "path").unwrap_or_default();
        let strings = |name: &str| -> Vec<Vec<u8>> {
            let list = Reflect::get(&request, &name.into()).unwrap_or(JsValue::UNDEFINED);
            Array::from(&list).iter().filter_map(|item| item.as_string()).map(String::into_bytes).collect()
        };
        let env = strings("env");
        let cwd = text(&request, "cwd").unwrap_or_else(|| "/".into());
        let file = if path.contains('/') {
            path.clone().into_bytes()
        } else {
            let search =
                env.iter().find_map(|entry| entry.strip_prefix(b"PATH=")).unwrap_or(USUAL_PATH).to_vec();
            let found = self.driven.machine.find_program(path.as_str(), search, cwd.as_str());
            self.driven.settled(found, &path).await?
        };
        let streams = Streams::default();
        let piped = Reflect::get(&request, &"streams".into())?.is_truthy();
        let stdio = if piped { streams.stdio() } else { Stdio::Console };
        let started = self.driven.machine.spawn(SpawnRequest {
            path: file,
            arg0: Some(path.clone().into_bytes()),
            args: strings("args"),
            env,
            cwd: cwd.into_bytes(),
            uid: number(&request, "uid").unwrap_or(0.0) as u32,
            gid: number(&request, "gid").unwrap_or(0.0) as u32,
            ..SpawnRequest::new(&path, stdio)
        });
        Ok(ProcessHandle::new(self.driven.settled(started, &path).await?, streams))
    }

    /// Gathers console output from now on, what was printed before included.
    pub fn attach_console(&self) {
        let console = self.console.clone();
        self.driven.machine.set_console(move |bytes| console.push(bytes));
    }

    /// Console output since the last call.
    pub fn take_console(&self) -> Option<Uint8Array> {
        self.console.take()
    }

    /// What the user types.
    pub fn console_input(&self, bytes: &[u8]) {
        self.driven.machine.console_input(bytes);
    }

    /// The console's size in characters.
    pub fn resize_console(&self, columns: u16, rows: u16) {
        self.driven.machine.console_resize(columns, rows);
    }

    /// Content of a file.
    pub async fn read_file(&self, path: String) -> Result<Uint8Array, JsValue> {
        self.driven.read_file(&path).await
    }

    /// Makes or replaces a file, and the directories on the way to it.
    pub async fn write_file(&self, path: String, bytes: Vec<u8>, mode: u32) -> Result<(), JsValue> {
        self.driven.write_file(&path, bytes, mode).await
    }

    /// What a directory holds.
    pub async fn list(&self, path: String) -> Result<Array, JsValue> {
        self.driven.list(&path).await
    }

    /// Removes a file or an empty directory.
    pub async fn remove(&self, path: String) -> Result<(), JsValue> {
        self.driven.remove(&path).await
    }

    /// Brings everything to stable storage; needs turns.
    pub async fn sync(&self) -> Result<(), JsValue> {
        self.driven.settled(self.driven.machine.sync(), "sync").await
    }

    /// Counters as JSON.
    pub fn stats(&self) -> String {
        let mut more = Vec::new();
        self.driven.machine.kernel().engine_counters(&mut |name, value| more.push((name, value as f64)));
        self.driven.machine.stats().to_json(&more)
    }

    /// Stops everything, then brings what was written to stable storage; needs no turns.
    pub async fn stop(&self) -> Result<(), JsValue> {
        let kernel = self.driven.machine.kernel().clone();
        kernel.harvest_shared_pages();
        self.driven.machine.shut_down();
        kernel.sync_all().await.map_err(|errno| from_errno(errno, "sync"))
    }
}

/// The entry of a file with these attributes.
pub(crate) fn directory_entry(name: &str, attributes: &Attributes) -> JsValue {
    entry(name, attributes.file_type, attributes.size, attributes.permissions, attributes.modified)
}

/// A `DirectoryEntry` of `cx.d.ts`.
fn entry(name: &str, file_type: FileType, size: u64, permissions: u32, modified: Timestamp) -> JsValue {
    let file_type = match file_type {
        FileType::Regular => "file",
        FileType::Directory => "directory",
        FileType::Symlink => "symlink",
        FileType::CharDevice | FileType::BlockDevice => "device",
        FileType::Fifo => "fifo",
        FileType::Socket => "socket",
    };
    let modified = modified.seconds as f64 * 1e3 + f64::from(modified.nanoseconds / 1_000_000);
    let object = Object::new();
    let set = |name: &str, value: JsValue| {
        // Setting a property of a fresh object cannot fail.
        let _ = Reflect::set(&object, &name.into(), &value);
    };
    set("name", name.into());
    set("type", file_type.into());
    set("size", (size as f64).into());
    set("mode", permissions.into());
    set("modified", modified.into());
    object.into()
}
