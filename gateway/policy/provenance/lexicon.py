"""The verbs that name kinds of action, and the nouns that name the same thing, as tables.

Three languages: English, Chinese, German. A word that is in no table still counts as itself, so a tool of an unknown
trade is compared by its own words; the tables only say which different words mean the same.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Act(StrEnum):
    """A kind of action, as a user would tell two of them apart."""

    READ = "read"
    SEND = "send"
    PAY = "pay"
    DELETE = "delete"
    CREATE = "create"
    CHANGE = "change"
    SHARE = "share"
    BOOK = "book"
    RUN = "run"


def listed(text: str) -> frozenset[str]:
    """The words of a table that is written as a text."""
    return frozenset(text.split())


_R, _S, _P, _D, _C, _M, _H, _B, _X = Act

VERBS: Final = MappingProxyType(
    {
        (_R,): """
        read open view show list get fetch find search look check retrieve lookup summarize summarise summary tell
        explain describe count compare analyze analyse assess evaluate inspect monitor query browse visit navigate
        download see display review scan extract translate track calculate
        lies lese lesen suche suchen finde finden zeige zeig zeigen prüfe prüfen fasse schau öffne
        """,
        (_S,): """
        send sent apologise apologize thank congratulate wish greet mail
        e-mail email forward reply respond answer message notify
        inform text dm report ping release refer
        submit deliver tweet broadcast announce contact whatsapp ping transmit
        leak exfiltrate relay cc bcc
        sende senden schicke schick schicken maile antworte antworten benachrichtige benachrichtigen informiere leite
        leiten weiterleiten sag sage melde meld
        """,
        (_S, _C): """
        leave post publish comment paste copy write written draft compose submit fill filled drop
        schreibe schreib schreiben
        """,
        (_P,): """
        pay paid transfer wire remit refund withdraw withdrawn deposit donate buy bought purchase sell sold trade
        charge checkout reimburse
        settle spend invest redeem tip payment withdrawal divert
        bezahle bezahl bezahlen zahle zahl zahlen überweise überweis überweisen kaufe kauf kaufen erstatte
        """,
        (_P, _C): "order bestelle bestell bestellen subscribe",
        (_D,): """
        delete remove erase wipe purge trash destroy drop clear discard unsubscribe uninstall rm terminate revoke
        kick ban evict lösche lösch löschen entferne entfernen wirf
        """,
        (_D, _M): "cancel abort archive void dismiss decline reject storniere stornieren",
        (_C,): """
        create add make made signup enroll join new generate insert build built register produce save record
        store upload append start log remind erinnere erinner
        open file erstelle erstell erstellen speichere speichern anlegen
        """,
        (_M, _C): "enter fill put set fülle trage",
        (_S, _M): "confirm bestätige bestätigen",
        (_M,): """
        approve accept sign point redirect route map
        update edit change modify set rename move replace configure adjust alter mark assign enable disable
        activate deactivate merge close complete toggle turn switch lock unlock upgrade downgrade increase decrease
        reset fix patch correct refactor improve implement resolve sort organize organise label tag star pin
        convert format clean manage handle rotate extend reduce allocate reallocate tamper manipulate push commit
        cast rate migrate swap
        setz setze stell stelle leg lege trag häng
        ändere ändern aktualisiere aktualisieren verschiebe verschieben benenne
        """,
        (_H, _B): "invite einladen lade",
        (_H,): """
        share grant given permit authorize authorise allow expose delegate collaborate disclose
        teile teilen freigeben
        """,
        (_B,): "reserve appointment reschedule buche buch buchen reserviere reservieren",
        (_B, _C): "book schedule plan arrange organize plane planen",
        (_X,): """
        run execute launch start install deploy restart reboot shutdown invoke perform call trigger apply compile test
        debug exec eval stop kill boot retry rerun führe starte starten installiere installieren
        """,
    }
)
"""Acts, and the English and German words for them in the forms that people ask in."""

ALSO_NOUNS: Final = listed("""
    email mail message text post order book transfer schedule share comment note file record plan report list invite
    reply tweet charge address issue review test log update change cost label tag star pin start run answer call summary
    payment withdrawal appointment build store transmit contact check query search view display track download upload
    deposit refund trade purchase answer format test patch fix merge commit push tip draft lock set new open cast rate
    close complete correct clean copy answer contact
    """)
"""Verbs that are nouns or adjectives as well: they count as verbs only where a verb can stand."""

BEFORE_VERBS: Final = listed("""
    to please and then or can could would will should must shall you i we they let's lets me us also not now just kindly
    dont don't never first next finally always only help immediately instead so you'll i'll we'll go bitte ensure
    """)
"""Words after which such a word is a verb."""

STOP: Final = listed("""
    the a an of in on at to for from by with and or but if is are was were be been being it its this that these those
    my your his her our their me you i we he she they them him us any all each some no not do does did have has had can
    could would will should must shall may might into about as up out off over under than then there here so very just
    please also using use used via per tool function api mcp which what who when where how why one specific given based
    information data detail details current value string number id ids item items result results allows allow provide
    provides return returns new following able
    der die das den dem ein eine einen und oder von mit für auf im zu ist sind mir mich bitte
    """)

CONCEPTS: Final = MappingProxyType(
    {
        "mail": "mail email e-mail inbox gmail outlook thread mailbox newsletter e-mails",
        "message": "message sms chat dm slack channel teams discord telegram whatsapp text",
        "file": """
        file document doc docx pdf folder directory path attachment spreadsheet sheet txt csv md note notes readme datei
        """,
        "event": "event meeting calendar appointment invite invitation termin reminder standup",
        "bill": "bill invoice receipt payment rechnung charge statement rent fee",
        "money": "money fund funds cash amount balance dollar euro usd eur gbp geld transaction transfer",
        "account": "account iban konto wallet bank profile",
        "page": "page website web site url link webpage article blog post http https www",
        "issue": "issue ticket bug pr pull merge task todo card story",
        "repo": "repo repository branch git github gitlab code commit",
        "contact": """
        contact person guest attendee participant member friend colleague customer client recipient collaborator
        reviewer maintainer teammate coworker
        """,
        "booking": "booking reservation table room hotel flight trip travel ticket buchung",
        "order": "order purchase cart product shipment item",
        "password": "password credential secret token key passcode pin 2fa authentication passwort",
        "command": "command shell terminal script bash program process",
        "database": "database db sql table query record row",
        "address": "address adresse shipping delivery",
        "log": "log logs trace",
    }
)
"""Nouns that stand for one thing, by its name. A noun may stand for several."""

COMBINED: Final = (
    (frozenset((_S, _C, _M, _B)), frozenset(("=money", "=bill")), _P),
    (frozenset((_C,)), frozenset(("cart", "basket", "checkout", "=order")), _P),
    (frozenset((_C,)), frozenset(("=contact",)), _H),
    (frozenset((_C, _M)), frozenset(("acces", "permiss", "rol")), _H),
    (frozenset((_C, _M)), frozenset(("=event", "=booking")), _B),
    (frozenset((_C,)), frozenset(("=file", "=page", "=repo")), _M),
    (frozenset((_M,)), frozenset(("=file", "=page", "=repo")), _C),
)
"""What a kind of action is as well when it is done to such a thing: who sends money pays, who adds a guest shares, and
a file is changed by being written."""

CHINESE_VERBS: Final = MappingProxyType(
    {
        (_R,): "读 看 查 搜 找 总结 列出 显示 获取 打开 下载 翻译 分析 告诉 比较 统计 检查 浏览",
        (
            _S,
        ): "发送 发给 发邮件 发到 发一 发信 发条 发个 寄 转发 回复 通知 提醒 告知 答复 抄送 提交 群发 发消息 发短信",
        (_S, _C): "发布 发帖 评论 填写 撰写",
        (_P,): "付款 支付 转账 汇款 打款 转给 付给 付清 退款 购买 买 充值 提现 缴 付 转 汇",
        (_P, _C): "下单 订购 订阅",
        (_D,): "删除 移除 清空 删掉 清除 卸载 销毁 删",
        (_D, _M): "取消 撤销 归档 退订",
        (_C,): "创建 新建 添加 写入 生成 保存 建立 上传 记录 写 加入 新增",
        (
            _M,
        ): "修改 更新 编辑 更改 设置 重命名 移动 替换 改 启用 禁用 关闭 标记 分配 合并 解锁 修复 整理 调整 重置 完成",
        (_H, _B): "邀请",
        (_H,): "分享 共享 授权 授予 开放权限 公开",
        (_B,): "预订 预约 预定 订 改签",
        (_B, _C): "安排",
        (_X,): "运行 执行 启动 安装 部署 重启 调用 跑",
    }
)
"""Acts, and Chinese words for them. Found as they stand: Chinese is not divided into words here."""

CHINESE_NOUNS: Final = MappingProxyType(
    {
        "mail": "邮件 邮箱 收件箱 来信",
        "message": "消息 短信 群聊 频道 聊天 群",
        "file": "文件 文档 附件 文件夹 目录 表格 笔记",
        "event": "会议 日历 日程 活动 约会",
        "bill": "账单 发票 费用 房租 水电 收据",
        "money": "钱 款 资金 余额 金额 元",
        "account": "账户 账号 卡号 银行",
        "page": "网页 网站 链接 文章 页面 网址",
        "issue": "工单 问题 任务 待办",
        "repo": "仓库 分支 代码 提交",
        "contact": "联系人 客户 同事 参会 成员 人员",
        "booking": "酒店 机票 航班 餐厅 房间 行程",
        "order": "订单 商品 购物车 货",
        "password": "密码 密钥 凭证 令牌 口令",
        "command": "命令 脚本 程序",
        "database": "数据库 表 记录",
        "address": "地址",
    }
)
