//! Adapters: which there are, and which one is taken.
//!
//! Gets a wish (a part of a name, a backend); gives an adapter, or an error that names those there are. Hardware comes
//! before software, a discrete card before an integrated one, and what is taken says so in [`AdapterInfo`].

use std::fmt;
use std::sync::OnceLock;

use super::engine_error;
use crate::error::Result;
use crate::names::names;

/// Backends that run the kernels.
const ALL_BACKENDS: wgpu::Backends = wgpu::Backends::VULKAN.union(wgpu::Backends::METAL).union(wgpu::Backends::DX12);

/// An adapter that wgpu can open.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdapterInfo {
    /// Its name, for instance `NVIDIA H200` or `llvmpipe (LLVM 15.0.6, 256 bits)`.
    pub name: String,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// What kind of device it is.
    pub kind: AdapterKind,
    /// The driver's name and version, as it states them.
    pub driver: String,
}

/// What kind of device an adapter is, in the order in which they are preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum AdapterKind {
    /// A card with memory of its own.
    Discrete,
    /// Part of a processor, sharing its memory.
    Integrated,
    /// A device of a virtual machine.
    Virtual,
    /// Something else.
    Other,
    /// A program on the processor: right, but slower than the engines made for it.
    Software,
}

impl AdapterKind {
    /// Whether its memory is that of the host.
    pub(crate) fn is_unified(self) -> bool {
        matches!(self, Self::Integrated | Self::Software)
    }

    fn of(kind: wgpu::DeviceType) -> Self {
        match kind {
            wgpu::DeviceType::DiscreteGpu => Self::Discrete,
            wgpu::DeviceType::IntegratedGpu => Self::Integrated,
            wgpu::DeviceType::VirtualGpu => Self::Virtual,
            wgpu::DeviceType::Cpu => Self::Software,
            wgpu::DeviceType::Other => Self::Other,
        }
    }
}

names! {
    "a kind of adapter", AdapterKind {
        Discrete => "discrete",
        Integrated => "integrated",
        Virtual => "virtual",
        Other => "other",
        Software => "software",
    }
}

impl AdapterInfo {
    pub(crate) fn of(info: &wgpu::AdapterInfo) -> Self {
        let driver = [info.driver.trim(), info.driver_info.trim()];
        Self {
            name: info.name.clone(),
            backend: info.backend.to_string(),
            kind: AdapterKind::of(info.device_type),
            driver: driver.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" "),
        }
    }
}

impl fmt::Display for AdapterInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, backend, kind, driver } = self;
        write!(f, "{name} ({backend}, {kind}")?;
        if !driver.is_empty() {
            write!(f, ", {driver}")?;
        }
        f.write_str(")")
    }
}

/// Which adapter is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    /// A part of its name, in any case.
    pub name: Option<String>,
    /// Backends, comma-separated, by the names that `WGPU_BACKEND` knows.
    pub backends: Option<String>,
    /// Only software adapters.
    pub software: bool,
}

impl Wish {
    /// The wish with what it leaves open taken from `WGPU_ADAPTER_NAME` and `WGPU_BACKEND`.
    pub(crate) fn or_environment(self) -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            name: self.name.or_else(|| variable("WGPU_ADAPTER_NAME")),
            backends: self.backends.or_else(|| variable("WGPU_BACKEND")),
            ..self
        }
    }

    fn backends(&self) -> Result<wgpu::Backends> {
        let Some(names) = &self.backends else {
            return Ok(ALL_BACKENDS);
        };
        names.split(',').try_fold(wgpu::Backends::empty(), |backends, name| {
            Ok(backends
                | match name.trim().to_lowercase().as_str() {
                    "vulkan" | "vk" => wgpu::Backends::VULKAN,
                    "metal" | "mtl" => wgpu::Backends::METAL,
                    "dx12" | "d3d12" => wgpu::Backends::DX12,
                    _ => return Err(engine_error(format!("no backend is called `{name}`: vulkan, metal, dx12"))),
                })
        })
    }

    fn fits(&self, info: &AdapterInfo) -> bool {
        let named = |part: &String| info.name.to_lowercase().contains(&part.to_lowercase());
        self.name.as_ref().is_none_or(named) && (!self.software || info.kind == AdapterKind::Software)
    }
}

/// The way to the drivers, one for the whole process: a driver that is loaded and unloaded again and again gives out. That of
/// an NVIDIA H100 had no adapter left after 30 times.
fn instance() -> &'static wgpu::Instance {
    static INSTANCE: OnceLock<wgpu::Instance> = OnceLock::new();
    INSTANCE.get_or_init(|| {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle().with_env();
        descriptor.backends = ALL_BACKENDS;
        // An allocation that would fill the device's memory fails, instead of the device being lost over it.
        descriptor.memory_budget_thresholds.for_resource_creation.get_or_insert(95);
        wgpu::Instance::new(descriptor)
    })
}

/// Every adapter of the wish's backends, the preferred ones first.
fn adapters_of(wish: &Wish) -> Result<Vec<(AdapterInfo, wgpu::Adapter)>> {
    let mut adapters: Vec<_> = pollster::block_on(instance().enumerate_adapters(wish.backends()?))
        .into_iter()
        .map(|adapter| (AdapterInfo::of(&adapter.get_info()), adapter))
        .collect();
    // Stable: among equals the driver's own order stays.
    adapters.sort_by_key(|(info, _)| info.kind);
    Ok(adapters)
}

/// What every adapter says of itself, the preferred ones first.
pub(crate) fn list(wish: &Wish) -> Result<Vec<AdapterInfo>> {
    Ok(adapters_of(wish)?.into_iter().map(|(info, _)| info).collect())
}

/// The adapter that fits the wish best.
pub(crate) fn choose(wish: &Wish) -> Result<(AdapterInfo, wgpu::Adapter)> {
    let adapters = adapters_of(wish)?;
    let there = adapters.iter().map(|(info, _)| info.to_string()).collect::<Vec<_>>().join("; ");
    adapters.into_iter().find(|(info, _)| wish.fits(info)).ok_or_else(|| {
        let backends = wish.backends.as_ref().map_or(String::new(), |names| format!(" of backend {names}"));
        let kind = if wish.software { "software adapter" } else { "adapter" };
        let named = wish.name.as_ref().map_or(String::new(), |name| format!(" with `{name}` in its name"));
        engine_error(if there.is_empty() {
            format!("there is no adapter{backends}")
        } else {
            format!("there is no {kind}{backends}{named}; there are: {there}")
        })
    })
}
