use touchstone_model::redact::Redactor;
use touchstone_reference::{Fault, Like};

use super::args::{DemoArgs, Judging};
use super::output::{self, Failed};
use super::run::CallbackAddresses;
use super::test_bed::{Service, TestBed, TestBedOptions};
use super::{inputs, run};

/// `touchstone demo`
pub async fn main(arguments: &DemoArgs, redactor: &Redactor) -> Result<u8, Failed> {
    let faults = faults(&arguments.faults)?;
    let catalogue = inputs::catalogue(None)?;
    let mut options = TestBedOptions {
        storages: vec![Service::new("reference")],
        issuers: Vec::new(),
    };
    let (of_issuers, of_storage): (Vec<_>, Vec<_>) =
        faults.into_iter().partition(|fault| fault.of_issuer());
    for (faults, services) in [
        (of_storage, &mut options.storages),
        (of_issuers, &mut options.issuers),
    ] {
        if !faults.is_empty() {
            services.push(Service {
                faults,
                ..Service::new("faulty")
            });
        }
    }
    if let Some(name) = &arguments.like {
        options.storages.push(Service::like(like(name)?));
    }
    let bed = TestBed::start(options).await?;
    output::note(&bed.places());
    // These servers are our own: nothing can hurt them.
    let judging = Judging {
        intrusive: true,
        ..arguments.judging.clone()
    };
    let inventory = bed.inventory()?;
    let callbacks = CallbackAddresses {
        listener: bed.listener()?,
        everywhere: false,
        side: Some(bed.side()),
        pairs: None,
        issuers: false,
        on_trial: inventory.issuers.iter().map(|i| i.name.clone()).collect(),
        shard: None,
        each_address: false,
    };
    let only = bed.judged();
    run::judge(
        inventory, &catalogue, &only, &judging, callbacks, None, redactor,
    )
    .await
}

/// The faults of those names, which can be had at the same time.
pub fn faults(names: &[String]) -> Result<Vec<&'static Fault>, Failed> {
    let faults: Vec<_> = names
        .iter()
        .map(|name| fault(name))
        .collect::<Result<_, _>>()?;
    touchstone_reference::compatible(&faults)
        .map_err(|why| Failed::Usage(format!("--fault: {why}")))?;
    Ok(faults)
}

/// The imitation of that name.
pub fn like(name: &str) -> Result<&'static Like, Failed> {
    touchstone_reference::like(name).ok_or_else(|| {
        let names: Vec<_> = touchstone_reference::likes()
            .iter()
            .map(|like| like.name)
            .collect();
        let what = format!("there is no imitation `{name}`");
        Failed::Usage(inputs::unknown(&what, name, &names, "likes"))
    })
}

fn fault(name: &str) -> Result<&'static Fault, Failed> {
    touchstone_reference::fault(name).ok_or_else(|| {
        let names: Vec<_> = touchstone_reference::faults()
            .iter()
            .map(|fault| fault.name)
            .collect();
        Failed::Usage(inputs::unknown(
            &format!("there is no fault `{name}`"),
            name,
            &names,
            "faults",
        ))
    })
}
