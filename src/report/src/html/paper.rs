//! The matrix in letters, for paper and for readers without JavaScript.

use crate::text::line;
use touchstone_model::RunRecord;

use super::grid::Grid;
use super::mark;

/// Endpoints side by side on one sheet.
const WIDE: usize = 60;
/// Longer names of cases are cut.
const NAME: usize = 56;

/// Some of the endpoints.
pub(super) struct Sheet {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) text: String,
}

/// All cases for so many endpoints at a time as fit on a page.
pub(super) fn sheets(record: &RunRecord, grid: &Grid) -> Vec<Sheet> {
    let cells = grid.cells(record, ' ', |result| {
        mark::symbol(mark::letter(record, result))
    });
    let names: Vec<String> = grid
        .rows
        .iter()
        .map(|result| line(&result.name()))
        .collect();
    let longest = names.iter().map(|name| name.chars().count()).max();
    let name = longest.unwrap_or_default().min(NAME);
    let all = record.endpoints.len();
    let starts = (0..all).step_by(WIDE);
    let sheet = |from: usize| {
        let to = (from + WIDE).min(all);
        let mut text = heading(from, to, name);
        for (row, cells) in names.iter().zip(&cells) {
            let row: String = row.chars().take(NAME).collect();
            let padding = " ".repeat(name - row.chars().count());
            let cells: String = cells.iter().skip(from).take(to - from).collect();
            text += &row;
            text += &padding;
            text += "  ";
            text += cells.trim_end();
            text += "\n";
        }
        Sheet {
            from: from + 1,
            to,
            text,
        }
    };
    starts.map(sheet).collect()
}

/// The numbers of the endpoints, read downwards.
fn heading(from: usize, to: usize, name: usize) -> String {
    let digits = to.to_string().len();
    let mut text = String::new();
    for digit in 0..digits {
        text += &" ".repeat(name + 2);
        let number = |index: usize| format!("{:>digits$}", index + 1);
        text.extend((from..to).map(|index| number(index).chars().nth(digit).unwrap_or(' ')));
        text += "\n";
    }
    text
}
