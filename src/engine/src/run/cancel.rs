use tokio::sync::watch;

/// Tells whether somebody wants the run to end. New work is not begun then; teardown is.
#[derive(Clone, Debug)]
pub struct Cancel(watch::Receiver<bool>);

/// Stops a run.
#[derive(Debug)]
pub struct Canceller(watch::Sender<bool>);

impl Cancel {
    /// A pair that belongs together.
    pub fn new() -> (Canceller, Self) {
        let (sender, receiver) = watch::channel(false);
        (Canceller(sender), Self(receiver))
    }

    /// Whether the run is to end.
    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when the run is to end; never, when nobody can say so any more.
    pub async fn cancelled(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Canceller {
    /// Stops the run.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }
}
