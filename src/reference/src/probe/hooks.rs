//! One list for each kind of rules: from it come the fields that faults replace, and the methods that call them.

/// Defines rules: a struct whose fields faults replace, and the methods of
/// [`Hooks`](super::Hooks) by which the service asks them. There is no other way to ask, so that no hook is left out
/// of a probe.
///
/// Each line begins with how its hook is probed:
/// * `ask`: a function that answers a value and does nothing else; versions are asked with the same arguments, by
///   value only with what can be [duplicated](super::Duplicate).
/// * `pass`: as `ask`, but what is between the semicolons is passed on: the answer takes its place.
/// * `edit`: a function that changes the argument between the semicolons and nothing else; versions get a copy.
/// * `own`: as `ask`, with the rules themselves as the first argument, of which it asks no others than those named.
/// * `nested`: a function that is asked by an `own` one alone.
/// * `write`: a function whose first argument is the namespace; versions write on trial, and what they would have
///   written is compared as well.
/// * `remember`: a function whose first argument is the memory of earlier requests; versions have one of their own. Who
///   keeps something by connection or token is counted as by `count`.
/// * `count`: a function that keeps state, writes or cannot be compared; whoever calls it counts for all versions.
/// * `value`: no function; whoever reads it counts for all that have another one.
/// * `part`: rules with hooks of their own, or what is asked in a way of its own.
///
/// Where a service has several deviations, their hooks add up: `pass`, `edit` and `remember` go through each of them
/// one after the other; of `ask`, `own` and `write` the last counts that differs from the right one, of `count` and
/// `value` the only one that deviates (see [`Chain`](super::Chain)).
macro_rules! hooks {
    (
        $(#[$about:meta])*
        struct $name:ident {
            $( $(#[$doc:meta])* $kind:ident $field:ident $args:tt $(-> $ret:ty)? $(, asking $nested:tt)?; )*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone)]
        pub(in crate) struct $name {
            $(
                $(#[$doc])*
                pub(in crate) $field: $crate::probe::hooks!(@type $name $kind $args $(-> $ret)?),
            )*
        }

        impl $crate::probe::Excludes for $name {
            fn excluded(&self, one: &Self, other: &Self) -> Option<&'static str> {
                $(
                    if $crate::probe::hooks!(@excludes $kind self one other $field) {
                        return Some(stringify!($field));
                    }
                )*
                None
            }
        }

        #[cfg(test)]
        impl $name {
            /// Each decision, in their order.
            pub(in crate) const HOOKS: &[$crate::probe::Hook<Self>] = &[
                $( $crate::probe::Hook {
                    name: stringify!($field),
                    kind: stringify!($kind),
                    differs: |one: &$name, other: &$name| {
                        $crate::probe::hooks!(@differs $kind one other $field)
                    },
                } ),*
            ];
        }

        impl<W> $crate::probe::Hooks<'_, W, $name> {
            $(
                $crate::probe::hooks!(
                    @method $name $kind $field $args $(-> $ret)? $(, asking $nested)?; $(#[$doc])*
                );
            )*
        }
    };

    (@type $name:ident ask $args:tt -> $ret:ty) => {
        $crate::probe::hooks!(@function $args -> $ret)
    };
    (@type $name:ident nested $args:tt -> $ret:ty) => {
        $crate::probe::hooks!(@function $args -> $ret)
    };
    (@type $name:ident count $args:tt $(-> $ret:ty)?) => {
        $crate::probe::hooks!(@function $args $(-> $ret)?)
    };
    (@type $name:ident own ( $($arg:ident : $type:ty),* ) -> $ret:ty) => {
        fn(&$name, $($type),*) -> $ret
    };
    (@type $name:ident pass (
        $($before:ident : $bt:ty),* ; $passed:ident : $type:ty ; $($after:ident : $at:ty),*
    )) => {
        fn($($bt,)* $type, $($at),*) -> $type
    };
    (@type $name:ident edit (
        $($before:ident : $bt:ty),* ; $edited:ident : $type:ty ; $($after:ident : $at:ty),*
    )) => {
        fn($($bt,)* &mut $type, $($at),*)
    };
    (@type $name:ident write ( $space:ident ; $($arg:ident : $type:ty),* ) $(-> $ret:ty)?) => {
        fn(&mut $crate::namespace::Namespace, $($type),*) $(-> $ret)?
    };
    (@type $name:ident remember ( $memory:ident ; $($arg:ident : $at:ty),* ; $passed:ident : $type:ty ; )) => {
        fn(&mut $crate::rules::Memory, $($at,)* $type) -> $type
    };
    (@type $name:ident value ($type:ty)) => { $type };
    (@type $name:ident part ($type:ty)) => { $type };
    (@function ( $($arg:ident : $type:ty),* ) $(-> $ret:ty)?) => {
        fn($($type),*) $(-> $ret)?
    };

    (@differs value $one:ident $other:ident $field:ident) => { $one.$field != $other.$field };
    // Its own hooks tell.
    (@differs part $one:ident $other:ident $field:ident) => {{
        let _ = (&$one.$field, &$other.$field);
        false
    }};
    (@differs $function:ident $one:ident $other:ident $field:ident) => {
        !std::ptr::fn_addr_eq($one.$field, $other.$field)
    };

    (@excludes value $right:ident $one:ident $other:ident $field:ident) => {
        $one.$field != $right.$field && $other.$field != $right.$field && $one.$field != $other.$field
    };
    // Nobody could be asked beside, as it would not be without effect.
    (@excludes count $right:ident $one:ident $other:ident $field:ident) => {
        $crate::probe::hooks!(@differs count $right $one $field)
            && $crate::probe::hooks!(@differs count $right $other $field)
    };
    (@excludes $kind:ident $right:ident $one:ident $other:ident $field:ident) => {{
        let _ = (&$right.$field, &$one.$field, &$other.$field);
        false
    }};

    (@method $name:ident ask $field:ident ( $($arg:ident : $type:ty),* ) -> $ret:ty; $(#[$doc:meta])*) => {
        $(#[$doc])*
        pub(in crate) fn $field(self, $(mut $arg: $type),*) -> $ret {
            let differs = |one: &$name, other: &$name| {
                $crate::probe::hooks!(@differs ask one other $field)
            };
            if let Some(beside) = self.beside(stringify!($field), differs) {
                beside.compare(|rules| {
                    (rules.$field)($($crate::probe::Duplicate::duplicate(&mut $arg)),*)
                });
            }
            let rules = self.decisive(differs, |rules| {
                (rules.$field)($($crate::probe::Duplicate::duplicate(&mut $arg)),*)
            });
            (rules.$field)($($arg),*)
        }
    };
    (@method $name:ident pass $field:ident (
        $($before:ident : $bt:ty),* ; $passed:ident : $type:ty ; $($after:ident : $at:ty),*
    ); $(#[$doc:meta])*) => {
        $(#[$doc])*
        pub(in crate) fn $field(
            self,
            $(mut $before: $bt,)*
            mut $passed: $type,
            $(mut $after: $at),*
        ) -> $type {
            let differs = |one: &$name, other: &$name| {
                $crate::probe::hooks!(@differs pass one other $field)
            };
            if let Some(beside) = self.beside(stringify!($field), differs) {
                beside.compare(|rules| {
                    (rules.$field)(
                        $($crate::probe::Duplicate::duplicate(&mut $before),)*
                        $crate::probe::Duplicate::duplicate(&mut $passed),
                        $($crate::probe::Duplicate::duplicate(&mut $after)),*
                    )
                });
            }
            for rules in self.links(differs) {
                $passed = (rules.$field)(
                    $($crate::probe::Duplicate::duplicate(&mut $before),)*
                    $passed,
                    $($crate::probe::Duplicate::duplicate(&mut $after)),*
                );
            }
            $passed
        }
    };
    (@method $name:ident own $field:ident ( $($arg:ident : $type:ty),* ) -> $ret:ty,
        asking [$($nested:ident),*]; $(#[$doc:meta])*
    ) => {
        $(#[$doc])*
        pub(in crate) fn $field(self, $(mut $arg: $type),*) -> $ret {
            let differs = |one: &$name, other: &$name| {
                $crate::probe::hooks!(@differs own one other $field)
                $( || $crate::probe::hooks!(@differs nested one other $nested) )*
            };
            if let Some(beside) = self.beside(stringify!($field), differs) {
                beside.compare(|rules| {
                    (rules.$field)(rules, $($crate::probe::Duplicate::duplicate(&mut $arg)),*)
                });
            }
            let rules = self.decisive(differs, |rules| {
                (rules.$field)(rules, $($crate::probe::Duplicate::duplicate(&mut $arg)),*)
            });
            (rules.$field)(rules, $($arg),*)
        }
    };
    (@method $name:ident edit $field:ident (
        $($before:ident : $bt:ty),* ; $edited:ident : $type:ty ; $($after:ident : $at:ty),*
    ); $(#[$doc:meta])*) => {
        $(#[$doc])*
        pub(in crate) fn $field(self, $($before: $bt,)* $edited: &mut $type, $($after: $at),*) {
            let differs = |one: &$name, other: &$name| {
                $crate::probe::hooks!(@differs edit one other $field)
            };
            if let Some(beside) = self.beside(stringify!($field), differs) {
                beside.compare(|rules| {
                    let mut copy = $edited.clone();
                    (rules.$field)($($before,)* &mut copy, $($after),*);
                    copy
                });
            }
            for rules in self.links(differs) {
                (rules.$field)($($before,)* $edited, $($after),*);
            }
        }
    };
    (@method $name:ident write $field:ident ( $space:ident ; $($arg:ident : $type:ty),* ) $(-> $ret:ty)?;
        $(#[$doc:meta])*
    ) => {
        $(#[$doc])*
        pub(in crate) fn $field(
            self,
            $space: &mut $crate::namespace::Namespace,
            $($arg: $type),*
        ) $(-> $ret)? {
            let differs = |one: &$name, other: &$name| {
                $crate::probe::hooks!(@differs write one other $field)
            };
            if let Some(beside) = self.beside(stringify!($field), differs) {
                beside.compare(|rules| $space.tried(|space| (rules.$field)(space, $($arg),*)));
            }
            let rules = self.decisive(differs, |rules| $space.tried(|space| (rules.$field)(space, $($arg),*)));
            (rules.$field)($space, $($arg),*)
        }
    };
    (@method $name:ident remember $field:ident (
        $memory:ident ; $($arg:ident : $at:ty),* ; $passed:ident : $type:ty ;
    ); $(#[$doc:meta])*) => {
        $(#[$doc])*
        pub(in crate) fn $field(
            self,
            $memory: &mut $crate::rules::Memory,
            $(mut $arg: $at,)*
            mut $passed: $type,
        ) -> $type {
            let differs = |one: &$name, other: &$name| {
                $crate::probe::hooks!(@differs remember one other $field)
            };
            for (fault, rules) in self.others(stringify!($field), differs) {
                let memory = $memory.beside.entry(fault).or_default();
                let answer = (rules.$field)(
                    memory,
                    $($crate::probe::Duplicate::duplicate(&mut $arg),)*
                    $crate::probe::Duplicate::duplicate(&mut $passed),
                );
                // The right ones keep nothing that another request could be answered by.
                let memory_of_right = &mut $crate::rules::Memory::default();
                let mut right = (self.right().$field)(
                    memory_of_right,
                    $($crate::probe::Duplicate::duplicate(&mut $arg),)*
                    $crate::probe::Duplicate::duplicate(&mut $passed),
                );
                if memory.by_chance() || !$crate::probe::Compare::same(&mut right, answer) {
                    self.otherwise(fault);
                }
            }
            for (at, rules) in self.links(differs).into_iter().enumerate() {
                let memory = match at {
                    0 => &mut *$memory,
                    _ => $memory.linked.entry(at).or_default(),
                };
                $passed = (rules.$field)(
                    memory,
                    $($crate::probe::Duplicate::duplicate(&mut $arg),)*
                    $passed,
                );
            }
            $passed
        }
    };
    (@method $name:ident count $field:ident ( $($arg:ident : $type:ty),* ) $(-> $ret:ty)?; $(#[$doc:meta])*) => {
        $(#[$doc])*
        pub(in crate) fn $field(self, $($arg: $type),*) $(-> $ret)? {
            let differs = |one: &$name, other: &$name| {
                $crate::probe::hooks!(@differs count one other $field)
            };
            self.called(stringify!($field), differs);
            (self.only(differs).$field)($($arg),*)
        }
    };
    (@method $name:ident value $field:ident ($type:ty); $(#[$doc:meta])*) => {
        $(#[$doc])*
        pub(in crate) fn $field(self) -> $type {
            let differs = |one: &$name, other: &$name| {
                $crate::probe::hooks!(@differs value one other $field)
            };
            self.called(stringify!($field), differs);
            self.only(differs).$field
        }
    };
    (@method $name:ident nested $($rest:tt)*) => {};
    (@method $name:ident part $($rest:tt)*) => {};
}

pub(crate) use hooks;
