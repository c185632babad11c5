use unplug::*;
fn main() {
    let path = std::env::args().nth(1).unwrap();
    let sc = match scenario::load(std::path::Path::new(&path), &presets::names()) {
        Ok(s) => s,
        Err(e) => {
            eprintln!("{}", e.render(false));
            std::process::exit(64)
        }
    };
    for v in sc.variants() {
        let j = judge::run(&path, &v, worlds::fast::run, unplug_reconnect::seed::Seed(42));
        println!("== case {:?}: {:?}", v.case, j.answer);
        for x in &j.judgements {
            if std::env::var("V").is_ok() || matches!(x.verdict, checkers::Verdict::Fail(_)) {
                println!("   {} {:?}", x.checker.name, x.verdict);
            }
        }
        if std::env::var("T").is_ok() { println!("{}", report::timeline::timeline(&j.run.history)); }
        if std::env::var("H").is_ok() {
            println!("{}", String::from_utf8(j.run.history.to_jsonl()).unwrap());
        }
    }
}
