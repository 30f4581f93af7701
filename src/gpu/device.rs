//! The device: buffers, submissions and waiting, with every fault of wgpu turned into an [`Error::Engine`].
//!
//! wgpu panics on errors that nobody asked for and in a poll of a lost device; nothing of that leaves this module.
//! [`Device::guarded`] is the one place where it is caught, and all work of the engine runs inside it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::engine_error;
use crate::error::{Error, Result};

/// How long one submission may take. A strip takes milliseconds on hardware and less than a second in software.
const PATIENCE: Duration = Duration::from_secs(120);

/// A wgpu device and its queue.
#[derive(Debug)]
pub(crate) struct Device {
    raw: wgpu::Device,
    queue: wgpu::Queue,
    limits: wgpu::Limits,
    /// What the driver said outside of any call, for instance that the device is lost.
    fault: Arc<Mutex<Option<String>>>,
    budget: Arc<Budget>,
    /// Whether the host writes labels where kernels read them.
    unified: bool,
}

/// Device memory that the engine may hold, and that it holds.
#[derive(Debug)]
struct Budget {
    limit: u64,
    held: AtomicU64,
}

/// A buffer that counts towards the budget as long as it lives.
#[derive(Debug)]
pub(crate) struct Buffer {
    raw: wgpu::Buffer,
    budget: Arc<Budget>,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.raw.size(), Ordering::Relaxed);
    }
}

impl Buffer {
    pub(crate) fn raw(&self) -> &wgpu::Buffer {
        &self.raw
    }

    pub(crate) fn size(&self) -> u64 {
        self.raw.size()
    }
}

/// A mapping that was asked for and has not arrived yet.
#[derive(Debug)]
pub(crate) struct Mapping {
    arrival: Receiver<Result<(), wgpu::BufferAsyncError>>,
    after: Option<wgpu::SubmissionIndex>,
}

impl Device {
    /// Opens a device of its own on `adapter`, with all that the adapter offers or `limits`.
    pub(crate) fn open(
        adapter: &wgpu::Adapter,
        limits: Option<wgpu::Limits>,
        features: wgpu::Features,
        budget: Option<u64>,
    ) -> Result<Self> {
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("runmask"),
            required_features: features,
            required_limits: limits.unwrap_or_else(|| adapter.limits()),
            ..Default::default()
        };
        let opened = caught("opening the device", || pollster::block_on(adapter.request_device(&descriptor)))?;
        let (raw, queue) = opened.map_err(|error| engine_error(format!("the adapter gives no device: {error}")))?;
        let fault = Arc::new(Mutex::new(None));
        let record = |fault: &Mutex<Option<String>>, message: String| {
            fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(message);
        };
        let uncaptured = Arc::clone(&fault);
        raw.on_uncaptured_error(Arc::new(move |error| record(&uncaptured, error.to_string())));
        let lost = Arc::clone(&fault);
        raw.set_device_lost_callback(move |reason, message| {
            record(&lost, format!("the device is lost ({reason:?}): {message}"));
        });
        let unified = features.contains(wgpu::Features::MAPPABLE_PRIMARY_BUFFERS);
        Ok(Self { unified, ..Self::new(raw, queue, fault, budget) })
    }

    /// Uses a device of the caller, whose callbacks stay as they are.
    pub(crate) fn of(raw: wgpu::Device, queue: wgpu::Queue, budget: Option<u64>) -> Self {
        Self::new(raw, queue, Arc::default(), budget)
    }

    fn new(raw: wgpu::Device, queue: wgpu::Queue, fault: Arc<Mutex<Option<String>>>, budget: Option<u64>) -> Self {
        let limits = raw.limits();
        let budget = Budget { limit: budget.unwrap_or(u64::MAX), held: AtomicU64::new(0) };
        Self { raw, queue, limits, fault, budget: Arc::new(budget), unified: false }
    }

    pub(crate) fn raw(&self) -> &wgpu::Device {
        &self.raw
    }

    pub(crate) fn queue(&self) -> &wgpu::Queue {
        &self.queue
    }

    pub(crate) fn limits(&self) -> &wgpu::Limits {
        &self.limits
    }

    /// Whether the host may write labels where kernels read them, the device having no memory of its own.
    pub(crate) fn unified(&self) -> bool {
        self.unified
    }

    /// Device memory held now, in bytes.
    pub(crate) fn held(&self) -> u64 {
        self.budget.held.load(Ordering::Relaxed)
    }

    fn fault(&self) -> MutexGuard<'_, Option<String>> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `work`, and gives the first error of wgpu that it met, however wgpu reported it.
    ///
    /// Error scopes belong to the thread, so `work` stays on this one.
    pub(crate) fn guarded<R>(&self, doing: &str, work: impl FnOnce() -> Result<R>) -> Result<R> {
        let (mut work, mut result) = (Some(work), None);
        self.guarded_once(doing, &mut || {
            if let Some(work) = work.take() {
                result = Some(work()?);
            }
            Ok(())
        })?;
        match result {
            Some(result) => Ok(result),
            None => unreachable!("work without an error has a result"),
        }
    }

    fn guarded_once(&self, doing: &str, work: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        self.sound()?;
        let scopes = [wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Validation]
            .map(|filter| self.raw.push_error_scope(filter));
        let result = caught(doing, work);
        // Innermost first, which is the order they must go in.
        let mut reported = None;
        for scope in scopes.into_iter().rev() {
            reported = reported.or(pollster::block_on(scope.pop()));
        }
        // A lost device explains whatever else went wrong after it, and a poll is what tells of it.
        if reported.is_some() || !matches!(result, Ok(Ok(_))) {
            let _ = caught(doing, || self.raw.poll(wgpu::PollType::Poll));
        }
        self.sound()?;
        match reported {
            Some(wgpu::Error::OutOfMemory { .. }) => Err(engine_error(format!("{doing}: out of device memory"))),
            Some(error) => Err(engine_error(format!("{doing}: {}", chain(&error)))),
            None => result?,
        }
    }

    /// An error when the device is known to be lost.
    fn sound(&self) -> Result<()> {
        match &*self.fault() {
            Some(message) => Err(engine_error(message.clone())),
            None => Ok(()),
        }
    }

    /// A new buffer; `name` appears in errors.
    pub(crate) fn buffer(&self, name: &str, size: u64, usage: wgpu::BufferUsages) -> Result<Buffer> {
        let held = self.budget.held.fetch_add(size, Ordering::Relaxed);
        let give_back = || self.budget.held.fetch_sub(size, Ordering::Relaxed);
        if held.saturating_add(size) > self.budget.limit {
            give_back();
            return Err(engine_error(format!(
                "out of device memory: {size} bytes for {name} beside the {held} held pass the budget of {} bytes",
                self.budget.limit
            )));
        }
        let scope = self.raw.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let descriptor = wgpu::BufferDescriptor { label: Some(name), size, usage, mapped_at_creation: false };
        let raw = self.raw.create_buffer(&descriptor);
        if pollster::block_on(scope.pop()).is_some() {
            give_back();
            return Err(engine_error(format!("out of device memory: {size} bytes for {name}")));
        }
        Ok(Buffer { raw, budget: Arc::clone(&self.budget) })
    }

    pub(crate) fn encoder(&self) -> wgpu::CommandEncoder {
        self.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("runmask") })
    }

    pub(crate) fn submit(&self, encoder: wgpu::CommandEncoder) -> wgpu::SubmissionIndex {
        self.queue.submit([encoder.finish()])
    }

    /// Asks for the first `size` bytes of `buffer`, once the submission `after`, the last to use it, is through.
    pub(crate) fn map(
        &self,
        buffer: &wgpu::Buffer,
        size: u64,
        mode: wgpu::MapMode,
        after: Option<wgpu::SubmissionIndex>,
    ) -> Mapping {
        let (sender, arrival) = sync_channel(1);
        buffer.map_async(mode, ..size, move |result| {
            // Nobody waits any more when an error came first.
            let _ = sender.send(result);
        });
        Mapping { arrival, after }
    }

    /// Waits until the bytes can be looked at.
    pub(crate) fn wait(&self, mapping: Mapping) -> Result<()> {
        if let Some(submission) = mapping.after {
            self.wait_for(submission)?;
        }
        loop {
            match mapping.arrival.try_recv() {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => {
                    self.sound()?;
                    return Err(engine_error(format!("a buffer cannot be mapped: {error}")));
                }
                Err(TryRecvError::Disconnected) => {
                    self.sound()?;
                    return Err(engine_error("a mapping was given up by the driver"));
                }
                // Another thread is about to deliver it: it saw the submission end first.
                Err(TryRecvError::Empty) => {
                    self.raw.poll(wgpu::PollType::Poll).map_err(poll_error)?;
                    std::thread::yield_now();
                }
            }
        }
    }

    /// Waits until a submission is through.
    pub(crate) fn wait_for(&self, submission: wgpu::SubmissionIndex) -> Result<()> {
        let wait = wgpu::PollType::Wait { submission_index: Some(submission), timeout: Some(PATIENCE) };
        self.raw.poll(wait).map(drop).map_err(poll_error)
    }
}

fn poll_error(error: wgpu::PollError) -> Error {
    match error {
        wgpu::PollError::Timeout => {
            engine_error(format!("the adapter did not finish within {} seconds", PATIENCE.as_secs()))
        }
        other => engine_error(format!("waiting for the adapter: {other}")),
    }
}

/// The result of `work`, or its panic as an error.
fn caught<R>(doing: &str, work: impl FnOnce() -> R) -> Result<R> {
    // What a panic leaves behind is dropped by the callers: buffers are not used again after an error.
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("an unknown fault");
        engine_error(format!("{doing}: {}", message.trim()))
    })
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut message = one_line(&error.to_string());
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_message = one_line(&cause.to_string());
        if !message.contains(&cause_message) {
            message = format!("{message}: {cause_message}");
        }
        source = cause.source();
    }
    message
}

fn one_line(message: &str) -> String {
    message.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}
