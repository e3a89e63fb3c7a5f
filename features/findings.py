"""What the loader writes down while it reads: findings with their texts, and the rows it sets aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from features.report import Finding, State

__all__ = ["MAX_LINES", "Ledger", "SetAside"]

MAX_LINES = 20
"""How many line numbers a finding shows; the quarantine itself has all."""

_TEXTS: dict[str, tuple[str, str]] = {
    # reading
    "unreadable": ("{detail}", "无法读取:{detail}"),
    "no_rows": (
        "The table has a header but no rows; check the export's filter",
        "只有表头,没有数据行;请检查导出条件",
    ),
    "sep_line": (
        "The first line 'sep=' was taken as the name of the delimiter and skipped",
        "首行“sep=”按分隔符说明处理并跳过",
    ),
    "encoding_guessed": (
        'Not UTF-8; read as Chinese GB18030. Set encoding = "gb18030" to confirm',
        '不是 UTF-8,按 GB18030 读取;设置 encoding = "gb18030" 以确认',
    ),
    "mixed_encoding": (
        "Lines of different encodings in one file; read as {detail}, lines with unreadable values are set "
        "aside. Export the file again in UTF-8",
        "同一文件混有多种编码;按 {detail} 读取,无法解码的行已隔离。请以 UTF-8 重新导出",
    ),
    "undecodable": (
        "Values that cannot be decoded; export the file again in UTF-8",
        "无法解码的内容;请以 UTF-8 重新导出",
    ),
    "ragged_row": (
        "Rows with more or fewer fields than the header ({detail}); quote fields that hold the delimiter",
        "字段数与表头({detail})不一致;含分隔符的字段请加引号",
    ),
    "torn_last_line": (
        "The last line does not end with a newline and may be cut off; if it is whole, end the file with one",
        "末行没有换行符,可能被截断;若内容完整,请在文件末尾补一个换行",
    ),
    "fed_twice": (
        "Same content as {detail}; skipped, so that no row counts twice",
        "内容与 {detail} 完全相同;已跳过,避免重复计算",
    ),
    "skipped_file": (
        "Not a kind of file that is read here (CSV, CSV.GZ, TSV, TXT, XLSX, Parquet); skipped",
        "不支持的文件类型,已跳过(支持 CSV、CSV.GZ、TSV、TXT、XLSX、Parquet)",
    ),
    "missing_partition": (
        "No partition for {detail}, between others that are there; check whether it was exported",
        "缺少分区 {detail}(前后分区都在);请检查是否漏导",
    ),
    "absent_in_parts": (
        "The column is absent in {detail}; missing there, and used where it is",
        "{detail} 缺少该列;按缺失处理,其余部分照常使用",
    ),
    "types_differ": (
        "The type differs between parts ({detail}); brought to one type. Write all parts in the same type",
        "各部分类型不一致({detail});已统一。请以同一类型导出",
    ),
    # cells
    "no_customer": (
        "Rows without a customer; set aside, they cannot be given to anybody",
        "没有客户编号的行;无法归属,已隔离",
    ),
    "missing": ("Required value missing", "缺少必填值"),
    "not_a_number": (
        "Not a number under decimal {detail}; set decimal and thousands, or correct the value",
        "按小数点 {detail} 无法识别为数字;请设置 decimal 与 thousands,或更正数值",
    ),
    "not_finite": ("Not a finite number", "不是有限数值"),
    "too_large": ("Larger than 100,000,000,000 in one row; check the unit", "单行数值超过一千亿;请检查单位"),
    "other_currency": (
        "The currency sign does not agree with the configured currency",
        "货币符号与配置的币种不一致",
    ),
    "not_a_date": ("Not a date in the format used ({detail})", "按所用格式({detail})无法识别为日期"),
    "future_date": ("After tomorrow; the day has not happened yet", "日期在明天之后,尚未发生"),
    "out_of_range": ("Before 1970-01-02 or after 2100", "早于 1970-01-02 或晚于 2100 年"),
    "not_a_flag": (
        "Neither true nor false; write yes/no, true/false or 1/0",
        "无法识别为是/否;请写 yes/no、true/false、1/0 或 是/否",
    ),
    "bad_id": (
        "An id holds a line break or a zero byte, or is longer than 256 characters",
        "编号含换行符或空字节,或超过 256 个字符",
    ),
    "id_digits_lost": (
        "Ids stored as decimal numbers have lost digits; store ids as text",
        "编号以小数形式存储,位数已丢失;请以文本存储编号",
    ),
    # repairs
    "thousands": ("Thousands marks removed", "已去除千位分隔符"),
    "currency_sign": ("Currency signs removed", "已去除货币符号"),
    "parentheses": ("Parentheses read as negative", "括号按负数读取"),
    "full_width": ("Full-width characters read as ordinary ones", "全角字符按半角读取"),
    "trailing_minus": ("Minus behind the number read as negative", "数字后的负号按负数读取"),
    "unit": ("Unit words (千, 万, 亿) multiplied out", "单位(千、万、亿)已换算"),
    "exponent": (
        "Scientific notation, e.g. 1.2E+05: digits may have been lost in a spreadsheet",
        "科学计数法(如 1.2E+05):电子表格可能已丢失位数",
    ),
    "id_blanks": ("Blanks around ids removed", "已去除编号首尾空格"),
    "id_blanks_kept": (
        "Ids that differ from another one only by blanks are kept apart; clean the export if they are one",
        "仅空格不同的编号按不同编号保留;若实为同一编号,请清理导出数据",
    ),
    "whole_number_id": (
        "Ids stored as decimal numbers (7.0) written as text (7)",
        "小数形式的编号(7.0)改写为文本(7)",
    ),
    "zoned": ("Times with a zone converted to {detail}", "带时区的时间已换算为 {detail}"),
    "mixed_zones": (
        "Some times name a zone, others do not; those without are taken as {detail}",
        "部分时间带时区,部分不带;不带的按 {detail} 处理",
    ),
    "date_order": (
        "Dates read as {detail}, the only order that fits them all",
        "日期按 {detail} 读取(唯一适合所有值的顺序)",
    ),
    # across rows
    "amount_computed": ("amount = quantity × unit_price", "金额 = 数量 × 单价"),
    "negated_return": (
        "Lines marked as returned had a positive amount; made negative",
        "退货行金额为正,已改为负数",
    ),
    "exact_duplicates": (
        "Rows equal to an earlier one in every column were kept; if they are copies set "
        'exact_duplicates = "drop"',
        '与前面的行完全相同,已保留;若为重复数据请设置 exact_duplicates = "drop"',
    ),
    "duplicates_dropped": (
        "Rows equal to an earlier one in every column were dropped",
        "与前面的行完全相同,已删除",
    ),
    "several_currencies": (
        "Amounts in several currencies ({detail}) cannot be added; set currency to the one to keep",
        "金额含多种币种({detail}),无法相加;请在 currency 中设置保留的币种,或先换算",
    ),
    "foreign_currency": ("In another currency than {detail}; set aside", "币种不是 {detail};已隔离"),
    "empty_months": (
        "No line at all in {detail}, though every other month has many; check whether a part of the data is missing",
        "{detail} 没有任何数据行,而其他月份都很多;请检查是否缺少一部分数据",
    ),
    "maybe_cents": (
        "The typical amount of {detail} is far off that of the others: amounts are probably in another unit "
        "there (cents, thousands), and values would be wrong by that factor. Export both parts again in one unit",
        "{detail} 的典型金额与其余部分相差悬殊:单位很可能不同(分、千元),价值会按此倍数出错。请统一单位后重新导出",
    ),
    "outlier_amount": (
        "Amounts more than a million times the typical one; they rule every total and every expected value. "
        "Correct or remove the rows",
        "金额超过典型值一百万倍,会左右所有合计与预期价值;请更正或删除这些行",
    ),
    "no_purchases": (
        "No row has a positive amount, so nobody has bought anything and no model can be trained. Check the "
        "amount column: is its sign turned round, or was another column meant?",
        "没有任何金额为正的行,等于无人购买,无法训练模型。请检查金额列:正负号是否相反,或应使用其他列",
    ),
    "returns_exceed": (
        "Returns are worth more than all purchases; expected values are then next to nothing. Check the signs, "
        "and whether purchases are missing",
        "退货总额超过购买总额,预期价值将接近零;请检查正负号,以及是否缺少购买记录",
    ),
    "off_scale": (
        "Scores below 0 or above 10, though the scale is 0 to 10; rescale them, or the scores of different surveys "
        "cannot be compared",
        "评分低于 0 或高于 10,而量表为 0–10;请换算,否则不同调查的评分无法比较",
    ),
    "ends_first": (
        "Contracts that end, or were cancelled, before they start; not used to learn from. Correct start and end, "
        "or swap the two columns if they are mixed up",
        "终止或取消早于起始的合同,不用于训练;请更正起止时间,若两列颠倒请对调",
    ),
    "lost_customers": (
        "Customers all of whose rows were set aside: they will be in no list until the rows are corrected",
        "这些客户的所有行都被隔离:更正之前不会出现在任何名单中",
    ),
    "never_bought": (
        "Customers who only returned something or paid nothing so far: they are on no list, in no figure and not "
        "learned from until they buy",
        "这些客户至今只有退货或零金额:在购买之前不进入名单、统计与训练",
    ),
    "too_many_set_aside": (
        "{detail} of the rows were set aside, more than max_quarantined_share allows; most of them{where}: {cause}",
        "{detail} 的行被隔离,超过 max_quarantined_share;其中最多的{where}:{cause}",
    ),
}


@dataclass(frozen=True)
class SetAside:
    """One row that is not used: where it is and why. ``value`` is the offending text, never an id."""

    table: str
    source: str
    line: int
    column: str
    rule: str
    value: str = ""


@dataclass
class Ledger:
    """Findings and rows set aside of one table."""

    table: str
    findings: list[Finding] = field(default_factory=list)
    aside: list[SetAside] = field(default_factory=list)

    def note(
        self,
        rule: str,
        state: State,
        rows: int,
        *,
        column: str = "",
        source: str = "",
        lines: Sequence[int] = (),
        example: str = "",
        detail: str = "",
        cause: Finding | None = None,
    ) -> None:
        """Writes one finding down, with the texts of its rule and of what caused it."""
        en, zh = (text.replace("{detail}", detail) for text in _TEXTS[rule])
        if cause is not None:
            where = f" ({cause.source}, line {cause.lines[0]})" if cause.lines else ""
            en = en.replace("{where}", where).replace("{cause}", cause.en)
            zh = zh.replace("{where}", where).replace("{cause}", cause.zh)
        shown = tuple(int(line) for line in lines[:MAX_LINES])
        self.findings.append(
            Finding(
                self.table,
                column,
                state,
                rule,
                int(rows),
                en,
                zh,
                example=example,
                lines=shown,
                source=source,
            )
        )

    def of(self, state: State) -> list[Finding]:
        """The findings in one state."""
        return [finding for finding in self.findings if finding.state == state]

    def set_aside(self, rule: str, source: str, lines: Sequence[int], detail: str = "") -> None:
        """Sets rows aside that a reader could not take, and writes one finding down; nothing for no lines."""
        if not lines:
            return
        self.aside += [SetAside(self.table, source, line, "", rule) for line in lines]
        self.note(rule, "quarantined", len(lines), source=source, lines=lines, detail=detail)
