"""Verbs and nouns of French, Spanish, Italian, Portuguese and Dutch, as requests have them.

The forms are those in which people ask: the imperatives and the infinitive. They are kept apart from English, whose
endings would be cut off them, and without accents, which people leave out.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from gateway.policy.provenance.lexicon import Act, listed

_R, _S, _P, _D, _C, _M, _H, _B, _X = Act

_VERBS: Final = MappingProxyType(
    {
        (_R,): """
        lis lire lisez regarde regarder regardez cherche chercher cherchez trouve trouver montre montrer dis dire dites
        resumer verifie verifier verifiez ouvre ouvrir consulte consulter affiche traduis
        lee leer mira mirar busca buscar encuentra encontrar muestra mostrar dime dinos resumir revisa revisar comprueba
        comprobar abre abrir consultar averigua ensename traduce cuentame
        leggi leggere guarda cerca cercare trova trovare mostra mostrare dimmi riassumi controlla apri aprire traduci
        leia ler veja ver procure procurar busque mostre diga resuma verifique verificar abra conte
        lees lezen bekijk bekijken zoek zoeken vind vinden toon vertel controleer vat
        """,
        (_S,): """
        envoie envoyer envoyez reponds repondre repondez ecris ecrire ecrivez previens prevenir prevenez informer
        avertis avertir rappelle signale transfere transferer transmets transmettre
        envia enviar envie envien manda mandar mande responde responder responda contesta contestar reenvia reenviar
        escribe escribir escribele avisa avisar informar notifica recuerda
        invia inviare invii mandare rispondi rispondere inoltra inoltrare scrivi scrivere avvisa avvisare
        encaminhe encaminhar escreva escrever avise
        stuur sturen verstuur versturen antwoord antwoorden beantwoord doorsturen schrijf meld informeer
        """,
        (_P,): """
        paie paye payer payez vire virer virez achete acheter rembourse rembourser
        paga pagar pague transfiere transferir transfiera compra comprar compre reembolsa reembolsar
        pagare trasferisci trasferire comprare rimborsa
        transfira reembolse
        betaal betalen koop kopen overmaken terugbetalen
        """,
        (_P, _S): "pasa pasar passa",
        (_P, _C): "commande commander commandez pide pedir encarga ordina bestel bestellen",
        (_D,): """
        supprime supprimer supprimez efface effacer enleve enlever
        borra borrar elimina eliminar quita quitar
        eliminare rimuovi rimuovere
        apague apagar exclua excluir remova remover
        verwijder verwijderen wis wissen schrap schrappen
        """,
        (_D, _M): "annule annuler annulez cancela cancelar cancella cancellare annulla cancele annuleer annuleren",
        (_C,): """
        cree creer creez ajoute ajouter ajoutez enregistre enregistrer fais faire inscris
        crea crear anade anadir agrega agregar apunta apuntar anota guardar registra haz hacer pon poner
        creare aggiungi aggiungere salva salvare registra fai
        crie criar adicione adicionar salve salvar registre anote faca
        maak maken voeg toevoegen bewaar bewaren noteer
        """,
        (_M,): """
        modifie modifier modifiez changer changez deplace deplacer mets mettre mettez corrige corriger desactive
        accepte accepter refuse refuser renomme remplace decale decaler
        cambia cambiar modifica modificar mueve mover actualiza actualizar corregir activa desactiva acepta aceptar
        rechaza rechazar renombra adelanta atrasa
        modificare cambiare sposta spostare aggiorna aggiornare correggi attiva disattiva accetta rifiuta
        mude mudar altere alterar mova atualize atualizar corrija aceite recuse
        wijzig wijzigen verander veranderen verplaats verplaatsen verzet verzetten accepteer weiger hernoem zet
        """,
        (_B,): """
        reserver reservez reserva reservar reserve prenota prenotare agende marque reserveer reserveren boek boeken
        """,
        (_H, _B): "inviter invitez invita invitar invite convide convidar invitare uitnodigen nodig",
        (_H,): "partage partager partagez comparte compartir condividi condividere compartilhe compartilhar deel delen",
        (_X,): "lance lancer executer ejecuta ejecutar esegui eseguire executar voer uitvoeren draai",
    }
)

_NOUNS: Final = MappingProxyType(
    {
        "mail": "courriel courriels correo correos e-mails posta",
        "message": "sms mensaje mensajes messaggio messaggi mensagem bericht",
        "file": "fichier fichiers dossier archivo archivos fichero carpeta cartella arquivo bestand map",
        "event": "reunion rendez-vous rdv cita evento riunione appuntamento reuniao afspraak vergadering agenda",
        "bill": "facture factures factura facturas fattura fatture fatura recibo loyer alquiler affitto factuur huur",
        "money": "argent virement dinero transferencia soldi bonifico dinheiro geld overschrijving",
        "account": "compte cuenta conto conta rekening",
        "booking": "reservation reserva prenotazione boeking vol vuelo volo voo vlucht chambre habitacion quarto kamer",
        "order": "commande pedido ordine encomenda bestelling panier carrito",
        "contact": "contacto contatto contato contactpersoon",
        "address": "adresse direccion indirizzo endereco adres",
        "password": "contrasena senha wachtwoord",
        "issue": "tache tarea attivita tarefa taak incidencia",
    }
)

NEGATIONS: Final = listed("ne non nao não niet geen sans sin senza sem zonder jamais nunca mai nooit")

_CLITICS: Final = re.compile(r"(?:(?:me|te|se|nos)?(?:lo|la|le|los|las|les|li|gli|ne)|me|mi|nos|ci)$")
"""Pronouns that are written onto a verb: `enviale`, `apuntala`."""


def _bare(word: str) -> str:
    """Without accents. A last `é` stays: it makes a participle, which asks for nothing."""
    kept = word.removesuffix("é")
    plain = "".join(sign for sign in unicodedata.normalize("NFD", kept) if not unicodedata.combining(sign))
    return plain + word[len(kept) :]


_ACTS: Final = {word: frozenset(acts) for acts, words in reversed(tuple(_VERBS.items())) for word in words.split()}

NOUNS: Final = {word: thing for thing, words in _NOUNS.items() for word in words.split()}


@lru_cache(maxsize=8192)
def verb_of(word: str) -> frozenset[Act]:
    """The kinds of action of a word in lower case; empty where no table has it."""
    plain = _bare(word.split("-")[0].split("'")[-1].split("’")[-1])
    found = _ACTS.get(plain)
    if found is None and len(plain) > 5:
        found = _ACTS.get(_CLITICS.sub("", plain))
    return found or frozenset()
