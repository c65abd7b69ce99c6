//! Errors on their way between JavaScript and the engine: an `Error` with a stable `code`.

use blockdev::DeviceError;
use js_sys::{Error, Reflect};
use linux_abi::Errno;
use vfs::ext2::MountError;
use wasm_bindgen::{JsCast, JsValue};

/// An `Error` with a code, and a Linux error number where it has one.
pub(crate) fn error(code: &str, message: &str, errno: Option<Errno>) -> JsValue {
    let error = Error::new(message);
    // Setting a property of an object made here cannot fail.
    let _ = Reflect::set(&error, &"code".into(), &code.into());
    if let Some(errno) = errno {
        let _ = Reflect::set(&error, &"errno".into(), &u32::from(errno.0).into());
    }
    error.into()
}

/// A system call's failure; `what` is what it was about.
pub(crate) fn from_errno(errno: Errno, what: &str) -> JsValue {
    error(errno.name(), &format!("{what}: {}", errno.message()), Some(errno))
}

/// A device's failure.
pub(crate) fn from_device(failure: &DeviceError) -> JsValue {
    let (code, errno) = match failure {
        DeviceError::ReadOnly => ("EROFS", Some(Errno::EROFS)),
        DeviceError::OutOfRange { .. } => ("EINVAL", Some(Errno::EINVAL)),
        DeviceError::NotFound(_) => ("ENOENT", Some(Errno::ENOENT)),
        DeviceError::Changed { .. } => ("EBASECHANGED", None),
        DeviceError::Locked(_) => ("ELOCKED", None),
        DeviceError::Unsupported(_) => ("EHTTPRANGE", None),
        DeviceError::NoSpace(_) => ("ENOSPC", Some(Errno::ENOSPC)),
        DeviceError::Corrupt(_) => ("ESTORE", None),
        _ => ("EIO", Some(Errno::EIO)),
    };
    error(code, &failure.to_string(), errno)
}

/// A mount's failure, at a path.
pub(crate) fn from_mount(failure: &MountError, path: &str) -> JsValue {
    match failure {
        MountError::Device(failure) => from_device(failure),
        other => error("EMOUNT", &format!("{path} cannot be mounted: {other}"), Some(other.errno())),
    }
}

/// What a function of JavaScript threw or rejected with, as a device's failure. The codes are those of the fetchers
/// and stores in `js/worker`.
pub(crate) fn device_error(thrown: &JsValue) -> DeviceError {
    let property = |name: &str| Reflect::get(thrown, &name.into()).ok().and_then(|value| value.as_string());
    let message = property("message").unwrap_or_else(|| format!("{thrown:?}"));
    match property("code").as_deref() {
        Some("ENOENT") => DeviceError::NotFound(message),
        Some("EHTTPRANGE") => DeviceError::Unsupported(message),
        Some("EBASECHANGED") => DeviceError::Changed { expected: "longer".into(), found: message },
        Some("ENOSPC") => DeviceError::NoSpace(message),
        Some("ELOCKED") => DeviceError::Locked(message),
        Some("ESTORE") => DeviceError::Corrupt(message),
        // No further try would help.
        Some("EACCES") => DeviceError::NotFound(message),
        _ => DeviceError::Io(message),
    }
}

/// A property of an answer, of the type that was promised.
pub(crate) fn property<T: JsCast>(object: &JsValue, name: &str) -> Result<T, DeviceError> {
    let value = Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED);
    value.dyn_into().map_err(|_| DeviceError::Io(format!("an answer has no `{name}`")))
}

/// A string property, if it is there.
pub(crate) fn text(object: &JsValue, name: &str) -> Option<String> {
    Reflect::get(object, &name.into()).ok().and_then(|value| value.as_string())
}

/// A number property, if it is there.
pub(crate) fn number(object: &JsValue, name: &str) -> Option<f64> {
    Reflect::get(object, &name.into()).ok().and_then(|value| value.as_f64())
}
