use std::collections::HashMap;

use proptest::prelude::*;

use super::{Problem, run};

fn outcome(code: &str) -> Result<(), Problem> {
    let known = |name: &str| (name == "tcpi_snd_cwnd").then_some(10);
    run(code, &known, &mut HashMap::new())
}

#[test]
fn what_holds() {
    for code in [
        "assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd",
        "assert 9 < tcpi_snd_cwnd <= 10",
        "assert tcpi_snd_cwnd & 2 and not 0 or 0",
        "assert (tcpi_snd_cwnd + 2) * 2 == 24 ; print(tcpi_snd_cwnd)",
        "x = tcpi_snd_cwnd\nassert x // 3 == 3, 'cwnd: %d' % (x)",
        "# nothing\n",
        "assert not not tcpi_snd_cwnd",
        "assert tcpi_snd_cwnd in (9, 10) and tcpi_snd_cwnd not in [1]",
        "assert abs(-3) == min(3, 4) == int(3), f'cwnd {tcpi_snd_cwnd:d}'",
        "print('%d of %d' % (tcpi_snd_cwnd, 3))",
        "assert (tcpi_snd_cwnd == 10 or\n        tcpi_snd_cwnd == 11), [tcpi_snd_cwnd, 'cwnd']",
        "assert 0x10 >> 2 == 4 and (1 <\n 2)",
    ] {
        assert_eq!(outcome(code), Ok(()), "{code}");
    }
}

#[test]
fn what_does_not_hold_is_explained() {
    let Err(Problem::False(why)) = outcome("assert tcpi_snd_cwnd == 11, tcpi_snd_cwnd") else {
        panic!("10 is not 11");
    };
    assert!(why.contains("tcpi_snd_cwnd is 10"), "{why}");
}

#[test]
fn what_is_not_known_is_named() {
    assert_eq!(
        outcome("assert tcpi_lost == 0"),
        Err(Problem::Unsupported("tcpi_lost".to_owned()))
    );
    assert!(matches!(outcome("while True:"), Err(Problem::Unsupported(_))));
}

proptest! {
    #[test]
    fn no_code_makes_it_panic(code in "[ -~\\n]{0,80}") {
        let _ = outcome(&code);
    }

    #[test]
    fn no_arithmetic_makes_it_panic(a in any::<i64>(), b in any::<i64>(), op in "[-+*/%&|^]|<<|>>|//") {
        let _ = outcome(&format!("assert {a} {op} {b}"));
    }
}
